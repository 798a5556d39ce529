"""Each reader refuses folders, pipes, devices and other paths without a valid file, by name and without delay."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fashion.classifier.model_file import load
from fashion.inference.read_images import find_images
from fashion.settings.frame import Frame
from fashion.settings.parsing import load_yaml
from fashion.sources.folder import list_classes, list_images
from fashion.sources.idx import read_idx, read_idx_images
from fashion.sources.image_file import read_image
from fashion.sources.table import read_labelled, read_pixels
from hostile import read_or_refused

FRAME = Frame(channels=1, height=8, width=8, content_height=8, content_width=8, enlarge=False, background=[0])
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "idx": ("labels", lambda path: read_idx(path, dimensions=1, sha256=None)),
    "idx images": ("images", read_idx_images),
    "gzipped idx": ("labels.gz", lambda path: read_idx(path, dimensions=1, sha256=None)),
    "labelled table": ("table.csv", lambda path: read_labelled(path, None)),
    "pixels": ("table.csv", read_pixels),
    "image": ("image.png", lambda path: read_image(path, FRAME)),
    "images of classes": ("train", list_classes),
    "images of a class": ("cat", list_images),
    "model": ("model.safetensors", load),
    "params": ("params.yaml", load_yaml),
    "image to label": ("image.png", lambda path: find_images([path])),
    "table to label": ("table.csv", lambda path: find_images([path])),
    "array to label": ("array.npy", lambda path: find_images([path])),
    "idx file to label": ("t10k-images-idx3-ubyte", lambda path: find_images([path])),
}

MAKERS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda _: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "an empty device": lambda path: path.symlink_to("/dev/null"),
    "a link to itself": lambda path: path.symlink_to(path),
    "an empty file": lambda path: path.write_bytes(b""),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("reader", READERS)
def test_a_path_without_a_valid_file_is_refused_at_once(reader: str, kind: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    MAKERS[kind](tmp_path / name)
    assert read_or_refused(lambda: read(tmp_path / name), 0) is None


@pytest.mark.parametrize("stem", ["a" * 300, "a\0b", "no\nsuch\x1b[31m"])
@pytest.mark.parametrize("reader", READERS)
def test_a_name_that_no_file_can_have_is_refused(reader: str, stem: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    assert read_or_refused(lambda: read(tmp_path / f"{stem}{name}"), 0) is None
