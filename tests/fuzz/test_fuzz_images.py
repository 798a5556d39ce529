"""Image files of all formats, damaged, and files and folders of any name."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageCms
from tqdm import tqdm

from fashion.inference.read_images import find_images
from fashion.settings.frame import Frame
from fashion.settings.ingest import IngestSettings
from fashion.sources.image_file import open_image, read_image, shape_of
from fashion.sources.ingest import ingest
from hostile import NASTY_TEXT, damaged, read_or_refused

FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000"]
MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "TIFF": ["1", "L", "RGB", "I", "F", "LAB", "CMYK"],
    "GIF": ["P", "several"],
}
FRAMES = [
    Frame(
        channels=channels,
        height=12,
        width=16,
        content_height=12,
        content_width=14,
        enlarge=False,
        background=[7, 100, 250][:channels],
        levels=levels,
    )
    for channels, levels in ((1, [0, 255]), (3, [0, 255]), (1, [300, 4095]), (3, [0, 65535]))
]


def shape_in_header(path: Path) -> tuple[int, int]:
    with open_image(path) as image:
        return shape_of(image)


def image_bytes(file_format: str, mode: str) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(np.arange(12 * 9, dtype=np.uint8).reshape(12, 9))
    if mode == "several":
        image.save(content, file_format, save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    elif mode == "LAB":
        srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        transform = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
        ImageCms.applyTransform(image.convert("RGB"), transform).save(content, file_format)
    else:
        image.convert("I" if mode == "I;16" else mode).convert(mode).save(content, file_format)
    return content.getvalue()


VALID = {name: [image_bytes(name, mode) for mode in MODES.get(name, ["L", "RGB"])] for name in FORMATS}


@given(
    image=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12)),
    file_format=st.sampled_from(["PNG", "BMP", "TIFF"]),
)
def test_a_saved_image_is_read(image: np.ndarray, file_format: str, place: Path, bar: tqdm) -> None:
    bar.update()
    Image.fromarray(image).save(place / "valid", file_format)
    np.testing.assert_array_equal(read_image(place / "valid", FRAMES[0])[0], image)


@pytest.mark.parametrize("file_format", FORMATS)
@given(data=st.data(), frame=st.sampled_from(FRAMES))
def test_any_image_file_is_read_or_refused(
    file_format: str, data: st.DataObject, frame: Frame, place: Path, bar: tqdm
) -> None:
    bar.update()
    content = data.draw(damaged(VALID[file_format]))
    path = place / "damaged"
    path.write_bytes(content)
    shape = read_or_refused(lambda: shape_in_header(path), len(content))
    num_pixels = shape[0] * shape[1] if shape else 0  # at most 50 million, each of some bytes: colours, copies
    image = read_or_refused(lambda: read_image(path, frame), len(content) + 5 * num_pixels)
    if image is not None:
        assert (image.dtype, image.ndim, len(image)) == (np.uint8, 3, frame.channels)


NAMES = st.sampled_from([*NASTY_TEXT, "a.png", "Thumbs.db", "b.jpg", "=x.png", "-1.png"]) | st.text(max_size=12)


def write_if_possible(path: bytes, content: bytes) -> None:
    """Write a file, and the folders above it, if the system allows its name."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 (bytes are no Path)
        with open(path, "wb") as file:
            file.write(content)
    except (OSError, ValueError):
        pass


@given(names=st.lists(st.tuples(NAMES, NAMES), max_size=3), valid=st.booleans())
def test_any_names_of_folders_and_files_are_accepted_or_refused(
    names: list[tuple[str, str]], valid: bool, place: Path, bar: tqdm
) -> None:
    bar.update()
    raw = place / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    content = VALID["PNG"][1] if valid else b"no image"
    for name in ("train/a/1.png", "train/b/1.png", "evaluate/1.png"):
        write_if_possible(os.fsencode(raw / name), content)
    for folder, file in names:
        encoded = [name.replace("/", "").encode("utf-8", "surrogatepass") for name in (folder, file)]
        write_if_possible(b"/".join([os.fsencode(raw), b"train", *encoded]), content)
        write_if_possible(b"/".join([os.fsencode(raw), b"evaluate", encoded[1]]), content)
    data = read_or_refused(lambda: ingest(raw, IngestSettings(source="folder"), None), 1000)
    if data is not None:
        assert all(text.strip() and "\n" not in text for text in [*data.classes, *data.unlabelled_ids.tolist()])
    found = read_or_refused(lambda: find_images([raw]), 1000)
    if found is not None:
        assert not any("\n" in name or "\x1b" in name for name in found[0].names)
