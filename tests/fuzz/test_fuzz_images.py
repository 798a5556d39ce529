"""Image files of all formats, damaged, and folders of any names."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from tqdm import tqdm

from fashion.settings.ingest import IngestSettings
from fashion.sources.folder import read_grey, read_shape
from fashion.sources.ingest import ingest
from fashion.use.reading import find
from hostile import NASTY_TEXT, damaged, read_or_refused

FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "TIFF"]
MODES = {"PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], "TIFF": ["1", "L", "RGB", "I", "F"]}


def saved(form: str, mode: str) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(np.arange(12 * 9, dtype=np.uint8).reshape(12, 9))
    image.convert("I" if mode == "I;16" else mode).convert(mode).save(content, form)
    return content.getvalue()


SAVED = {form: [saved(form, mode) for mode in MODES.get(form, ["L", "RGB"])] for form in FORMATS}


@given(
    image=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12)),
    form=st.sampled_from(["PNG", "BMP", "TIFF"]),
)
def test_what_is_written_is_read(image: np.ndarray, form: str, place: Path, bar: tqdm) -> None:
    bar.update()
    Image.fromarray(image).save(place / "sound", form)
    np.testing.assert_array_equal(np.asarray(read_grey(place / "sound")[0]), image)


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_any_image_file_is_read_or_refused(form: str, data: st.DataObject, place: Path, bar: tqdm) -> None:
    bar.update()
    content = data.draw(damaged(SAVED[form]))
    path = place / "damaged"
    path.write_bytes(content)
    sides = read_or_refused(lambda: read_shape(path), len(content))
    pixels = sides[0] * sides[1] if sides else 0  # of at most 50 million, some bytes each: colours, copies
    image = read_or_refused(lambda: read_grey(path)[0], len(content) + 5 * pixels)
    if image is not None:
        assert image.mode == "L"


NAMES = st.sampled_from([*NASTY_TEXT, "a.png", "Thumbs.db", "b.jpg", "=x.png", "-1.png"]) | st.text(max_size=12)


def made(path: bytes, content: bytes) -> bool:
    """Write a file below a folder, where the system allows its name."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 (bytes are no Path)
        with open(path, "wb") as file:
            file.write(content)
    except (OSError, ValueError):
        return False
    return True


@given(names=st.lists(st.tuples(NAMES, NAMES), max_size=3), sound=st.booleans())
def test_any_names_of_folders_and_files_are_taken_or_refused(
    names: list[tuple[str, str]], sound: bool, place: Path, bar: tqdm
) -> None:
    bar.update()
    raw = place / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    content = SAVED["PNG"][1] if sound else b"no image"
    for name in ("train/a/1.png", "train/b/1.png", "evaluate/1.png"):
        made(os.fsencode(raw / name), content)
    for name, below in names:
        encoded = [part.replace("/", "").encode("utf-8", "surrogatepass") for part in (name, below)]
        made(b"/".join([os.fsencode(raw), b"train", *encoded]), content)
        made(b"/".join([os.fsencode(raw), b"evaluate", encoded[1]]), content)
    data = read_or_refused(lambda: ingest(raw, IngestSettings(source="folder"), None), 1000)
    if data is not None:
        assert all(text.strip() and "\n" not in text for text in [*data.classes, *data.unlabelled_ids.tolist()])
    found = read_or_refused(lambda: find([raw]), 1000)
    if found is not None:
        assert not any("\n" in name or "\x1b" in name for name in found[0].names)
