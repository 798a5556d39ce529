"""Images as files in folders, as people have them."""

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
    """The first images, as PNG in folders of classes; five more to label."""
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


def test_folders_name_the_classes_and_files_the_images(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    data = read(raw)
    assert data.classes == [f"class {number}" for number in range(10)]
    assert data.unlabelled_ids.tolist() == [f"{number:03}.png" for number in range(5)]
    np.testing.assert_array_equal(data.unlabelled_images, images[100:105])
    np.testing.assert_array_equal(data.train_images, images[:40][np.argsort(labels[:40], kind="stable")])
    np.testing.assert_array_equal(data.train_labels, np.sort(labels[:40]))
    assert len(data.test_images) == 0


def test_classes_of_the_settings_give_the_order(raw: Path) -> None:
    names = [f"class {number}" for number in reversed(range(10))]
    assert read(raw, names).classes == names


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        (["class 0", "class 1"], "'class 2' is not among the `classes` in params.yaml"),
        ([f"class {number}" for number in range(11)], "nothing for 'class 10', which `classes` in params.yaml names"),
    ],
)
def test_folders_that_are_not_the_classes_of_the_settings_are_refused(
    raw: Path, classes: list[str], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read(raw, classes)


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "webp", "jpg"])
def test_a_format_is_read_by_its_content(tmp_path: Path, images: np.ndarray, ending: str) -> None:
    save(images[0], tmp_path / f"image.{ending}", **({"lossless": True} if ending == "webp" else {}))
    path = (tmp_path / f"image.{ending}").rename(tmp_path / "image.dat")
    difference = np.abs(np.asarray(read_grey(path)[0]).astype(int) - images[0])
    assert difference.mean() <= (10 if ending == "jpg" else 0)


def test_a_photograph_is_turned_the_right_way_up(tmp_path: Path, images: np.ndarray) -> None:
    turned = Image.fromarray(np.rot90(images[0][:20]))
    exif = turned.getexif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees to the right
    turned.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(read_grey(tmp_path / "photo.png")[0]), images[0][:20])
    assert read_shape(tmp_path / "photo.png") == (28, 20)


def test_colour_is_made_grey_and_said_once(raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture) -> None:
    for number in range(3):
        save(np.stack([images[number]] * 3, -1), raw / f"train/class 0/colour {number}.png")
    assert len(read(raw).train_images) == 43
    assert capsys.readouterr().out.count("3 of 48 images are in colour and are made grey") == 1


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


def test_what_operating_systems_leave_is_no_image(raw: Path) -> None:
    for name in (".DS_Store", "train/.DS_Store", "train/class 0/Thumbs.db", "evaluate/desktop.ini"):
        (raw / name).write_bytes(b"\0")
    assert len(read(raw).train_images) == 40


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def pages(path: Path) -> None:
    page = Image.new("L", (8, 8))
    page.save(path.with_suffix(".tif"), save_all=True, append_images=[page])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (truncate, "00.png: damaged or cut short"),
        (lambda path: path.write_text("<svg/>"), "00.png: not an image in a format known here"),
        (lambda path: path.write_bytes(b""), "00.png: not an image in a format known here"),
        (lambda path: path.write_bytes(png_of(30_000, 30_000)), "announces .* pixels; save a smaller copy"),
        (lambda path: path.write_bytes(png_of(8_000, 8_000)), "announces 8000x8000 pixels, more than 50,000,000"),
        (pages, "has several pages or frames"),
        (lambda path: (path.parent / "more").mkdir(), "more: a folder among images"),
        (lambda path: (path.parents[1] / "stray.png").write_bytes(path.read_bytes()), "stray.png: lies beside"),
        (lambda path: (path.parents[1] / "empty").mkdir(), "empty: empty; put images there"),
    ],
)
def test_what_is_no_sound_image_is_refused_with_its_place(
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
def test_names_that_would_do_harm_in_a_table_are_refused(
    raw: Path, images: np.ndarray, name: str, complaint: str
) -> None:
    save(images[0], raw / name)
    with pytest.raises(InputError, match=complaint):
        read(raw)


def test_a_pipe_and_a_link_to_itself_among_images_are_refused(raw: Path) -> None:
    (raw / "evaluate/loop.png").symlink_to("loop.png")
    with pytest.raises(InputError, match="loop.png: not a file; remove it"):
        read(raw)
    (raw / "evaluate/loop.png").unlink()
    os.mkfifo(raw / "evaluate/pipe.png")
    with pytest.raises(InputError, match="pipe.png: not a file; remove it"):
        read(raw)


def test_one_class_is_refused(raw: Path) -> None:
    for place in list((raw / "train").iterdir())[1:]:
        place.rename(raw / place.name)
    with pytest.raises(InputError, match="train: 1 class; a classifier tells 2 to 1,000 apart"):
        read(raw)


def test_missing_and_empty_folders_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train: no such folder; put a folder for each class"):
        read(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="train: empty; put a folder for each class"):
        read(tmp_path)
