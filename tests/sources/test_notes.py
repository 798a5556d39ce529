"""Say what the owner of the images should know."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.settings.ingest import IngestSettings
from fashion.sources.ingest import describe_raw, ingest


@pytest.fixture
def raw(tmp_path: Path, images: np.ndarray) -> Path:
    """Two classes of twelve images each."""
    for number in range(24):
        save(images[number, 0], tmp_path / f"train/{'ab'[number % 2]}/{number:02}.png")
    return tmp_path


def save(image: np.ndarray, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def notes_of(raw: Path, **changes: object) -> list[str]:
    settings = IngestSettings.model_validate({"source": "folder", **changes})
    described = describe_raw(raw, settings)
    data = ingest(raw, settings, None)
    assert (described.summary, described.notes) == (data.summary, data.notes)
    return described.notes


def test_a_summary_says_what_there_is_and_what_it_becomes(raw: Path, images: np.ndarray) -> None:
    save(images[30, 0], raw / "test/a/1.png")
    assert describe_raw(raw, IngestSettings(source="folder")).summary == (
        "24 labelled images of 2 classes, 1 of an official test set, none to be labelled; 28x28 pixels "
        "(height x width), read as 28x28 in grey on a background of 0"
    )


def test_there_is_nothing_to_say_of_plain_images(raw: Path) -> None:
    assert notes_of(raw) == []


def test_copies_are_counted_and_named_by_what_they_spoil(raw: Path, images: np.ndarray) -> None:
    save(images[0, 0], raw / "train/a/again.bmp")
    save(images[0, 0], raw / "train/b/wrong.png")
    save(images[1, 0], raw / "test/b/leak.png")
    save(images[2, 0], raw / "test/b/both.png")
    save(images[3, 0], raw / "evaluate/known.png")
    save(images[50, 0], raw / "evaluate/new.png")
    assert notes_of(raw) == [
        "2 images are also there with another class; one of the two is wrong: "
        "train/a/00.png = train/b/wrong.png, train/a/02.png = test/b/both.png",
        "1 image is also in another part, which makes figures too good: train/b/01.png = test/b/leak.png",
        "1 image is there more than once in the same class: train/a/00.png = train/a/again.bmp",
        "1 unlabelled image is also labelled; results on such images say little: train/b/03.png = evaluate/known.png",
    ]


def test_classes_with_few_images_are_named(raw: Path, images: np.ndarray) -> None:
    for number in range(3):
        save(images[100 + number, 0], raw / f"train/c/{number}.png")
    assert notes_of(raw) == ["1 class has fewer than 10 labelled images, too few for figures of it: c (3)"]


def test_colour_that_is_dropped_or_rare_is_said(raw: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (28, 28, 3), np.uint8)
    save(colors, raw / "train/a/color.png")
    assert notes_of(raw) == [
        "1 of 25 labelled images are in colour; if colour says nothing about the class, set `ingest.color: gray`"
    ]
    assert notes_of(raw, color="gray") == ["1 of 25 images are in colour and are converted to grey"]


def test_the_range_of_deep_images_is_said_and_that_others_have_8_bits(raw: Path, images: np.ndarray) -> None:
    for number in range(3):
        save(images[100 + number, 0].astype(np.uint16) * 16, raw / f"train/a/deep {number}.png")
    low, mixed = notes_of(raw)
    assert low == "images with more than 8 bits a pixel, whose levels 0 to 4,080 become 0 to 255: 3"
    assert mixed.startswith("the other 24 images have 8 bits and keep their levels; save all in the same way")


def test_images_without_contrast_are_named(raw: Path) -> None:
    save(np.full((28, 28), 3, np.uint8), raw / "train/a/black.png")
    save(np.full((28, 28), 200, np.uint8), raw / "train/a/flat.png")
    assert notes_of(raw) == [
        "1 image is nearly black: train/a/black.png",
        "1 image is nearly of a single level: train/a/flat.png",
    ]


def test_shrunk_images_are_counted(raw: Path, images: np.ndarray) -> None:
    save(np.kron(images[100, 0], np.ones((2, 2), np.uint8)), raw / "train/a/large.png")
    assert notes_of(raw) == ["1 of 25 images are larger than 28x28 pixels and are shrunk: train/a/large.png"]


def test_files_of_several_frames_are_named_once(raw: Path, images: np.ndarray) -> None:
    frames = [Image.fromarray(images[100 + number, 0]) for number in range(3)]
    for name, file_format in (("movie.gif", "GIF"), ("stack.tif", "TIFF"), ("phone.jpg", "MPO")):
        frames[0].save(raw / "train/a" / name, format=file_format, save_all=True, append_images=frames[1:])
    assert notes_of(raw) == [
        "3 files have several frames; the first is read: train/a/movie.gif, train/a/phone.jpg, train/a/stack.tif"
    ]


def test_transparent_images_are_counted_with_the_background_that_they_show(raw: Path, images: np.ndarray) -> None:
    save(np.stack([np.zeros_like(images[100, 0]), images[100, 0]], -1), raw / "train/a/glyph.png")
    assert notes_of(raw, background=255) == ["1 of 25 images have transparent parts, which show the background, 255"]


def test_a_png_of_16_bits_a_channel_in_colour_is_said_to_lose_the_lower_8(raw: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (28, 28, 3))
    (raw / "train/a/deep.png").write_bytes(deep_png(levels))
    assert "images with 16 bits a channel, in colour or with alpha, of which the upper 8 are read: 1" in notes_of(raw)


def deep_png(levels: np.ndarray) -> bytes:
    """Write a PNG of 16 bits a channel, which Pillow cannot."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
