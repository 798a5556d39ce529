"""Read images that are files in folders."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources.folder import read_grey, read_shape
from fashion.sources.ingest import Dataset, ingest


@pytest.fixture
def raw(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """40 images as PNG in folders of classes, and five unlabelled images."""
    for number, (image, label) in enumerate(zip(images[:40], labels, strict=False)):
        save(image, tmp_path / f"train/class {label}/{number:02}.png")
    for number in range(5):
        save(images[100 + number], tmp_path / f"evaluate/{number:03}.png")
    return tmp_path


def save(image: np.ndarray, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def read(raw: Path, classes: list[str] | None = None, **changes: object) -> Dataset:
    return ingest(raw, IngestSettings.model_validate({"source": "folder", **changes}), classes)


def test_folders_are_classes_and_file_names_are_ids(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    data = read(raw)
    assert data.classes == [f"class {number}" for number in range(10)]
    assert data.unlabelled_ids.tolist() == [f"{number:03}.png" for number in range(5)]
    np.testing.assert_array_equal(data.unlabelled_images, images[100:105])
    np.testing.assert_array_equal(data.train_images, images[:40][np.argsort(labels[:40], kind="stable")])
    np.testing.assert_array_equal(data.train_labels, np.sort(labels[:40]))
    assert len(data.test_images) == 0


def test_classes_of_the_settings_decide_the_order(raw: Path) -> None:
    names = [f"class {number}" for number in reversed(range(10))]
    assert read(raw, names).classes == names


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        (["class 0", "class 1"], "'class 2' is not among the `classes` in params.yaml"),
        ([f"class {number}" for number in range(11)], "no images of 'class 10', which is in `classes` in params.yaml"),
    ],
)
def test_other_folders_than_the_classes_of_the_settings_are_refused(
    raw: Path, classes: list[str], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read(raw, classes)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "jpg"])
def test_the_format_of_an_image_is_known_by_its_content(tmp_path: Path, images: np.ndarray, suffix: str) -> None:
    save(images[0], tmp_path / f"image.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    path = (tmp_path / f"image.{suffix}").rename(tmp_path / "image.dat")
    difference = np.abs(np.asarray(read_grey(path)[0]).astype(int) - images[0])
    assert difference.mean() <= (10 if suffix == "jpg" else 0)


def test_an_image_is_turned_by_its_exif_orientation(tmp_path: Path, images: np.ndarray) -> None:
    turned = Image.fromarray(np.rot90(images[0][:20]))
    exif = turned.getexif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees to the right
    turned.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(read_grey(tmp_path / "photo.png")[0]), images[0][:20])
    assert read_shape(tmp_path / "photo.png") == (28, 20)


def test_colour_is_converted_to_grey_and_reported_once(
    raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for number in range(3):
        save(np.stack([images[number]] * 3, -1), raw / f"train/class 0/colour {number}.png")
    assert len(read(raw).train_images) == 43
    assert capsys.readouterr().out.count("3 of 48 images are in colour and are converted to grey") == 1


def test_transparent_parts_are_black_and_16_bits_become_8(tmp_path: Path, images: np.ndarray) -> None:
    save(np.stack([images[0], np.where(images[0] > 0, 255, 0).astype(np.uint8)], -1), tmp_path / "a.png")
    save(images[0].astype(np.uint16) * 257, tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        np.testing.assert_array_equal(np.asarray(read_grey(tmp_path / name)[0]), images[0])


def test_images_of_all_shapes_become_squares_of_one_size(raw: Path, images: np.ndarray) -> None:
    save(images[0][:14], raw / "train/class 0/wide.png")
    save(images[1][:14, :14], raw / "train/class 1/small.png")
    data = read(raw)
    assert data.train_images.shape == (42, 28, 28)
    wide = data.train_images[data.train_labels == 0][-1]
    np.testing.assert_array_equal(wide[7:21], images[0][:14])
    assert not wide[:7].any()
    small = data.train_images[data.train_labels == 1][-1]
    assert small.mean() == pytest.approx(images[1][:14, :14].mean(), rel=0.1), "enlarged"
    padded = read(raw, fit="pad").train_images[data.train_labels == 1][-1]
    np.testing.assert_array_equal(padded[7:21, 7:21], images[1][:14, :14])


def test_files_of_operating_systems_are_ignored(raw: Path) -> None:
    for name in (".DS_Store", "train/.DS_Store", "train/class 0/Thumbs.db", "evaluate/desktop.ini"):
        (raw / name).write_bytes(b"\0")
    assert len(read(raw).train_images) == 40


def make_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def add_page(path: Path) -> None:
    page = Image.new("L", (8, 8))
    page.save(path.with_suffix(".tif"), save_all=True, append_images=[page])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (truncate, "00.png: damaged or truncated"),
        (lambda path: path.write_text("<svg/>"), "00.png: not an image in a known format"),
        (lambda path: path.write_bytes(b""), "00.png: not an image in a known format"),
        (
            lambda path: path.write_bytes(make_png(30_000, 30_000)),
            "00.png: more than 50,000,000 pixels",
        ),
        (lambda path: path.write_bytes(make_png(8_000, 8_000)), "00.png: 8000x8000 pixels, more than 50,000,000"),
        (add_page, "has several pages or frames"),
        (lambda path: (path.parent / "more").mkdir(), "more: a folder among images"),
        (
            lambda path: (path.parents[1] / "stray.png").write_bytes(path.read_bytes()),
            "stray.png: not in the folder",
        ),
        (lambda path: (path.parents[1] / "empty").mkdir(), "empty: empty; put images there"),
    ],
)
def test_a_damaged_or_misplaced_file_is_refused_with_its_path(
    raw: Path, damage: Callable[[Path], object], complaint: str
) -> None:
    damage(next((raw / "train").glob("*/00.png")))
    with pytest.raises(InputError, match=complaint):
        read(raw)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("train/=cmd()/1.png", r"train: '=cmd\(\)': a spreadsheet would take this name for a formula"),
        ("train/\x1b[31m/1.png", r"train: '\\x1b\[31m': a name is 1 to 255 characters in one line"),
        ("evaluate/a\nb.png", r"evaluate/a\\nb.png: a name is 1 to 255 characters in one line, .*; rename it"),
        ("evaluate/=cmd().png", r"evaluate/=cmd\(\).png: a spreadsheet .*; rename it"),
    ],
)
def test_names_that_are_unsafe_in_a_table_are_refused(raw: Path, images: np.ndarray, name: str, complaint: str) -> None:
    save(images[0], raw / name)
    with pytest.raises(InputError, match=complaint):
        read(raw)


def test_pipes_and_circular_links_among_images_are_refused(raw: Path) -> None:
    (raw / "evaluate/loop.png").symlink_to("loop.png")
    with pytest.raises(InputError, match="loop.png: not a file; remove it"):
        read(raw)
    (raw / "evaluate/loop.png").unlink()
    os.mkfifo(raw / "evaluate/pipe.png")
    with pytest.raises(InputError, match="pipe.png: not a file; remove it"):
        read(raw)


def test_a_single_class_is_refused(raw: Path) -> None:
    for folder in list((raw / "train").iterdir())[1:]:
        folder.rename(raw / folder.name)
    with pytest.raises(InputError, match="train: 1 class; expected 2 to 1,000"):
        read(raw)


def test_missing_and_empty_folders_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train: no such folder; put a folder for each class"):
        read(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="train: empty; put a folder for each class"):
        read(tmp_path)
