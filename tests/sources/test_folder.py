"""Read images that are files in folders."""

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources.ingest import Dataset, ingest


@pytest.fixture(scope="session")
def images(images: np.ndarray) -> np.ndarray:
    """400 grey images, N x 28 x 28."""
    return images[:, 0]


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
    np.testing.assert_array_equal(data.unlabelled_images[:, 0], images[100:105])
    np.testing.assert_array_equal(data.train_images[:, 0], images[:40][np.argsort(labels[:40], kind="stable")])
    np.testing.assert_array_equal(data.train_labels, np.sort(labels[:40]))
    assert len(data.test_images) == 0


def test_each_image_has_a_row_with_its_file_and_how_it_came(raw: Path, images: np.ndarray) -> None:
    save(np.stack([images[0][:20]] * 3, -1), raw / "train/class 0/0.png")
    data = read(raw)
    assert data.samples[0] == {
        "id": "class 0/0.png",
        "file": "train/class 0/0.png",
        "class": "class 0",
        "part": "labelled",
        "group": "",
        "first_copy": "train/class 0/0.png",
        "width": 28,
        "height": 20,
        "mode": "RGB",
    }
    last = {"id": "004.png", "file": "evaluate/004.png", "class": "", "part": "unlabelled"}
    last |= {"group": "", "first_copy": "evaluate/004.png"}
    assert data.samples[-1] == last | {"width": 28, "height": 28, "mode": "L"}
    assert len(data.samples) == len(data.train_images) + len(data.unlabelled_images)


def test_images_to_be_labelled_may_be_absent(raw: Path) -> None:
    shutil.rmtree(raw / "evaluate")
    data = read(raw)
    assert (data.unlabelled_images.shape, data.unlabelled_ids.shape) == ((0, 1, 28, 28), (0,))
    assert "none to be labelled" in data.summary


@pytest.mark.parametrize("name", ["val", "validation"])
def test_folders_of_validation_and_test_images_are_such_parts(raw: Path, images: np.ndarray, name: str) -> None:
    save(images[50], raw / name / "class 3/1.png")
    save(images[51], raw / "test/class 4/1.png")
    data = read(raw)
    parts = [row["part"] for row in data.samples]
    assert parts == ["train"] * 40 + ["validation", "test"] + ["unlabelled"] * 5
    np.testing.assert_array_equal(data.train_images[-1, 0], images[50])
    np.testing.assert_array_equal(data.test_images[0, 0], images[51])
    assert (data.train_labels[-1], data.test_labels.tolist()) == (3, [4])


def test_both_names_of_the_validation_folder_at_once_are_refused(raw: Path, images: np.ndarray) -> None:
    save(images[50], raw / "val/class 3/1.png")
    save(images[50], raw / "validation/class 3/1.png")
    with pytest.raises(InputError, match="validation: val is there, too; keep the validation images in one of them"):
        read(raw)


def test_a_class_that_only_the_test_images_have_is_refused(raw: Path, images: np.ndarray) -> None:
    save(images[50], raw / "test/clas 3/1.png")
    with pytest.raises(InputError, match="test/clas 3: 'clas 3' is no class of .*train; add images of it there"):
        read(raw)


def test_nested_folders_are_classes_if_the_settings_say_so(tmp_path: Path, images: np.ndarray) -> None:
    for number, name in enumerate(["animals/cat", "animals/dog", "plants"]):
        save(images[number], tmp_path / f"train/{name}/1.png")
    assert read(tmp_path, classes_from="nested").classes == ["animals/cat", "animals/dog", "plants"]
    with pytest.raises(InputError, match="cat: a folder among images; .* set ingest.classes_from to nested"):
        read(tmp_path)


def test_a_folder_among_images_to_be_labelled_is_refused(raw: Path) -> None:
    (raw / "evaluate/more").mkdir()
    with pytest.raises(InputError, match="evaluate/more: a folder among images; move its images up, or remove it"):
        read(raw)


def test_files_of_any_name_whose_content_is_an_image_are_read_and_others_are_skipped_and_named(
    raw: Path, images: np.ndarray
) -> None:
    for suffix in (".jfif", ".jpe", ".JPG", ""):
        save(images[0], raw / f"evaluate/photo{suffix}", format="JPEG")
    (raw / "evaluate/notes.txt").write_text("Taken in May")
    (raw / "train/class 0/labels.csv").write_text("a,b")
    (raw / "train/README").write_text("From the web")
    data = read(raw)
    assert data.unlabelled_ids.tolist()[-4:] == ["photo", "photo.JPG", "photo.jfif", "photo.jpe"]
    assert "3 files are skipped, since they are no images: README, labels.csv, notes.txt" in data.notes


@pytest.mark.parametrize("place", ["train", "train/class 0", "evaluate"])
def test_a_link_to_a_folder_is_refused_with_the_way_out(raw: Path, place: str) -> None:
    elsewhere = raw / "elsewhere"
    (raw / place).rename(elsewhere)
    (raw / place).symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"a link to a folder, which DVC does not follow; copy .* `dvc import-url /"):
        read(raw)


def test_all_damaged_files_are_found_and_the_first_few_are_named(raw: Path) -> None:
    for path in sorted((raw / "train").glob("*/*.png"))[:5]:
        truncate(path)
    with pytest.raises(InputError, match=r"^5 files cannot be used: .*damaged .*\| .*damaged.*\| and 2 more$"):
        read(raw)


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


def test_a_set_of_12_bits_in_16_keeps_its_levels_and_the_order_of_brightness(
    tmp_path: Path, images: np.ndarray
) -> None:
    for number in range(20):
        save(
            images[number].astype(np.uint16) * (8 + number % 2 * 8), tmp_path / f"train/{'ab'[number % 2]}/{number}.tif"
        )
    data = read(tmp_path)
    dim, bright = data.train_images[data.train_labels == 0], data.train_images[data.train_labels == 1]
    assert len(np.unique(dim)) > 100
    assert dim.max() == pytest.approx(128, abs=3)
    assert bright.max() == 255


def test_a_float_image_is_refused_with_a_remedy_that_keeps_one_scale(raw: Path, images: np.ndarray) -> None:
    save(images[0] / np.float32(255), raw / "train/class 0/float.tif")
    with pytest.raises(
        InputError, match="float.tif: has floating-point levels; scale all images over one range, the same"
    ):
        read(raw)


def test_dark_glyphs_on_transparency_are_not_all_black(tmp_path: Path, images: np.ndarray) -> None:
    for number in range(6):
        glyph = np.stack([np.zeros_like(images[number]), images[number]], -1)
        save(glyph, tmp_path / f"train/{'ab'[number % 2]}/{number}.png")
    data = read(tmp_path)
    assert data.frame.background == [255]
    expected = 255 - images[[0, 2, 4, 1, 3, 5]].astype(int)
    np.testing.assert_allclose(data.train_images[:, 0], expected, atol=1)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_class_without_images_is_refused(raw: Path, images: np.ndarray, part: str) -> None:
    save(images[50], raw / f"{part}/class 3/1.png")
    (raw / part / "empty").mkdir()
    (raw / part / "empty/notes.txt").write_text("none yet")
    with pytest.raises(InputError, match=f"{part}/empty: no image in it; add images, or remove the folder"):
        read(raw)


@pytest.mark.parametrize("name", ["test/1.png", "test/unknown/1.png"])
def test_unlabelled_images_in_the_folder_of_test_images_are_refused_with_the_place_for_them(
    raw: Path, images: np.ndarray, name: str
) -> None:
    save(images[50], raw / name)
    with pytest.raises(InputError, match="into evaluate/"):
        read(raw)


def test_a_table_of_parts_names_images_by_their_files_where_ids_are_not_unique(raw: Path, images: np.ndarray) -> None:
    shutil.rmtree(raw / "train")
    for number, name in enumerate(["train/a/0.png", "train/a/1.png", "train/b/0.png", "val/a/0.png", "val/b/7.png"]):
        save(images[number], raw / name)
    settings, rows = IngestSettings(source="folder"), ["id,part", "a/1.png,test", "b/0.png,train", "b/7.png,val"]
    (raw / "split.csv").write_text("\n".join([*rows, "train/a/0.png,val", "val/a/0.png,train"]))
    samples = ingest(raw, settings, None, "split.csv").samples
    assert [(sample["file"], sample["part"]) for sample in samples[:5]] == [
        ("train/b/0.png", "train"),
        ("val/a/0.png", "train"),
        ("train/a/0.png", "validation"),
        ("val/b/7.png", "validation"),
        ("train/a/1.png", "test"),
    ]
    (raw / "split.csv").write_text("\n".join([*rows, "a/0.png,val"]))
    with pytest.raises(InputError, match="2 .* no row, such as train/a/0.png, val/a/0.png; .* in its column file,"):
        ingest(raw, settings, None, "split.csv")
