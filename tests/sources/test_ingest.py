import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clone import CHECKSUMS, DATA
from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources import idx_files
from fashion.sources.ingest import ingest

CLASSES = [f"class {number}" for number in range(10)]


@pytest.fixture(scope="session")
def images(images: np.ndarray) -> np.ndarray:
    """400 grey images, N x 28 x 28."""
    return images[:, 0]


def make_settings(**changes: object) -> IngestSettings:
    defaults = {"source": "idx", "image_size": 32, "fit": "pad", "sha256": CHECKSUMS}
    return IngestSettings.model_validate({**defaults, **changes})


@pytest.fixture(autouse=True)
def no_debian_package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the files of Debian's package, which may be installed."""
    monkeypatch.setattr(idx_files, "DEBIAN_FOLDER", tmp_path_factory.mktemp("nothing"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for path in DATA.glob("*.gz"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def own_files(raw: Path) -> Path:
    """The same files in data/raw/idx, where a user's own files are."""
    (raw / "idx").mkdir()
    for path in raw.glob("*.gz"):
        path.rename(raw / "idx" / path.name)
    return raw


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def overwrite_labels(raw: Path, labels: list[int]) -> None:
    write_idx(raw / "idx/t10k-labels-idx1-ubyte.gz", np.array(labels))


def test_images_get_a_black_margin_and_the_test_images_are_also_the_unlabelled_ones(
    raw: Path, images: np.ndarray
) -> None:
    data = ingest(raw, make_settings(), CLASSES)
    np.testing.assert_array_equal(data.train_images[:, 0, 2:30, 2:30], images)
    assert data.train_images.sum(dtype=int) == images.sum(dtype=int)
    np.testing.assert_array_equal(data.unlabelled_images, data.test_images)
    assert data.unlabelled_ids.tolist() == [str(number) for number in range(100)]
    expected = {"channels": 1, "height": 32, "width": 32, "content_height": 28, "content_width": 28, "enlarge": False}
    assert data.frame.model_dump() == expected | {"background": [0], "levels": [0, 255]}
    assert data.classes == CLASSES
    assert data.samples[401]["file"] == "t10k-images-idx3-ubyte:1"


def test_files_without_gzip_are_read_too(raw: Path) -> None:
    for path in list(raw.iterdir()):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(ingest(raw, make_settings(), CLASSES).train_images) == 400


def test_only_missing_files_are_fetched(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = raw.parent / "hidden.gz"
    (raw / "t10k-labels-idx1-ubyte.gz").rename(hidden)
    requested = []

    def fake_fetch(checksums: dict[str, str], folder: Path, mirrors: list[str]) -> None:
        requested.extend([*checksums, *mirrors])
        hidden.rename(folder / next(iter(checksums)))

    monkeypatch.setattr(idx_files, "fetch", fake_fetch)
    data = ingest(raw, make_settings(mirrors=["https://mirror.example"]), CLASSES)
    assert requested == ["t10k-labels-idx1-ubyte.gz", "https://mirror.example"]
    assert len(data.test_labels) == 100


def test_files_of_debians_package_are_used_if_raw_is_empty(
    raw: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx_files, "DEBIAN_FOLDER", raw)
    assert len(ingest(tmp_path_factory.mktemp("empty"), make_settings(), CLASSES).train_images) == 400


def test_own_files_need_neither_checksums_nor_class_names(own_files: Path) -> None:
    data = ingest(own_files, make_settings(sha256={}, image_size="auto"), None)
    assert data.train_images.shape == (400, 1, 28, 28)
    assert data.classes == [str(number) for number in range(10)]


def test_three_own_files_are_refused_and_the_fourth_is_not_fetched(
    own_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx_files, "fetch", lambda *_: pytest.fail("fetched a file"))
    (own_files / "idx/train-labels-idx1-ubyte.gz").unlink()
    for sha256 in ({}, CHECKSUMS):
        with pytest.raises(InputError, match="train-labels-idx1-ubyte is missing"):
            ingest(own_files, make_settings(sha256=sha256), CLASSES)


def test_files_without_checksums_must_be_where_dvc_detects_changes(raw: Path) -> None:
    with pytest.raises(InputError, match="is where DVC does not detect changes; put all four files into .*/idx"):
        ingest(raw, make_settings(sha256={}), CLASSES)


def test_fewer_labels_than_images_are_refused(own_files: Path) -> None:
    overwrite_labels(own_files, [0] * 99)
    with pytest.raises(InputError, match="99 labels for the 100 images"):
        ingest(own_files, make_settings(sha256={}), CLASSES)


def test_an_unknown_label_is_refused_with_its_index(own_files: Path) -> None:
    overwrite_labels(own_files, [9] * 40 + [10] * 60)
    with pytest.raises(InputError, match="item 40: unknown label 10; `classes` in params.yaml names 0 to 9"):
        ingest(own_files, make_settings(sha256={}), CLASSES)


def write_csv(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    columns = [f"pix{number}" for number in range(1, images[0].size + 1)]
    table = pd.DataFrame(images.reshape(len(images), -1), columns=columns)
    table.assign(label=labels).to_csv(folder / "train.csv", index=False)
    table.assign(ID=[f"image {number}" for number in range(len(table))]).to_csv(folder / "evaluate.csv", index=False)


def test_csv_tables_give_labelled_and_unlabelled_images_and_no_test_set(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    data = ingest(tmp_path, make_settings(source="csv"), CLASSES)
    assert data.train_images.shape == (20, 1, 32, 32)
    assert data.test_images.shape == (0, 1, 32, 32)
    assert data.unlabelled_ids[3] == "image 3"
    np.testing.assert_array_equal(data.train_labels, labels[:20])


def test_csv_tables_of_different_image_sizes_are_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    table = pd.read_csv(tmp_path / "evaluate.csv")
    table[["ID", *[f"pix{number}" for number in range(1, 401)]]].to_csv(tmp_path / "evaluate.csv", index=False)
    with pytest.raises(InputError, match="images of 20x20 pixels, but those of train.csv are 28x28 pixels"):
        ingest(tmp_path, make_settings(source="csv"), CLASSES)


def test_small_images_are_enlarged_and_large_ones_shrunk_by_default(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    for source, side in ((images[:20, 8:20, 8:20], 24), (np.kron(images[:20], np.ones((9, 9), np.uint8)), 224)):
        write_csv(tmp_path, source, labels[:20])
        data = ingest(tmp_path, make_settings(source="csv", image_size="auto", fit="resize"), None)
        assert data.train_images.shape == (20, 1, side, side)
        assert (data.frame.content_height, data.frame.content_width) == (side, side)
        assert data.train_images.mean() == pytest.approx(source.mean(), rel=0.05), "nothing is cropped"


def test_more_than_256_classes_keep_their_numbers(tmp_path: Path, images: np.ndarray) -> None:
    write_csv(tmp_path, images[:300], np.arange(300))
    data = ingest(tmp_path, make_settings(source="csv"), None)
    np.testing.assert_array_equal(data.train_labels, np.arange(300))


def test_an_odd_margin_is_cropped_without_a_line_of_the_image(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_csv(tmp_path, images[:20, 1:, 1:], labels[:20])
    data = ingest(tmp_path, make_settings(source="csv"), None)
    assert (data.frame.content_height, data.frame.content_width) == (28, 28)
    np.testing.assert_array_equal(data.train_images[:, 0, 2:29, 2:29], images[:20, 1:, 1:])


def test_tables_of_validation_and_test_images_are_such_parts_and_evaluate_may_be_absent(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    for name, part in (("val", slice(20, 25)), ("test", slice(25, 29)), ("train", slice(0, 20))):
        write_csv(tmp_path, images[part], labels[part])
        (tmp_path / "train.csv").rename(tmp_path / f"{name}.csv")
    (tmp_path / "evaluate.csv").unlink()
    data = ingest(tmp_path, make_settings(source="csv"), CLASSES)
    assert [row["part"] for row in data.samples] == ["train"] * 20 + ["validation"] * 5 + ["test"] * 4
    assert data.samples[20]["file"] == "val.csv:2"
    np.testing.assert_array_equal(data.train_labels, labels[:25])
    np.testing.assert_array_equal(data.test_labels, labels[25:29])
    assert len(data.unlabelled_images) == 0


def split_table(path: Path, parts: list[str], name: str = "train.csv") -> None:
    rows = [f"{name}:{row},{part}" for row, part in enumerate(parts, 2)]
    path.write_text("\n".join(["id,part", *rows]) + "\n")


def test_a_table_of_parts_gives_the_split(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    split_table(tmp_path / "split.csv", ["test", "val", "train", "validation"] * 5)
    data = ingest(tmp_path, make_settings(source="csv"), CLASSES, "split.csv")
    order = [*range(2, 20, 4), *sorted([*range(1, 20, 4), *range(3, 20, 4)]), *range(0, 20, 4)]
    assert [row["file"] for row in data.samples[:20]] == [f"train.csv:{row + 2}" for row in order]
    assert [row["part"] for row in data.samples[:20]] == ["train"] * 5 + ["validation"] * 10 + ["test"] * 5
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.test_labels]), labels[order])
    np.testing.assert_array_equal(data.test_images[:, 0, 2:30, 2:30], images[:20:4])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "split.csv: No such file or directory; put the table of split.file there"),
        ("id;part\na;train\n", "expected the columns id and part, separated by a comma"),
        ("id,part\ntrain.csv:2,tests\n", "line 2: unknown part 'tests'; choose from train, validation, test"),
        (
            "id,part\ntrain.csv:2,train\n",
            "19 labelled images have no row, such as train.csv:3, train.*; add them",
        ),
        ("id,part\na,train\na,test\n", "2 rows have the id 'a'"),
        (["train"] * 21, "1 IDs are of no labelled image, such as 'train.csv:22'"),
        (["test"] * 20, "no image has the part train; there is nothing to train on"),
    ],
)
def test_a_table_of_parts_that_does_not_fit_is_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, content: str | list[str] | None, complaint: str
) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    if isinstance(content, str):
        (tmp_path / "split.csv").write_text(content)
    elif content:
        split_table(tmp_path / "split.csv", content)
    with pytest.raises(InputError, match=complaint):
        ingest(tmp_path, make_settings(source="csv"), CLASSES, "split.csv")


def test_idx_files_of_other_names_are_to_be_renamed(own_files: Path) -> None:
    for path in list((own_files / "idx").iterdir()):
        path.rename(path.with_name(f"emnist-letters-{path.name}"))
    with pytest.raises(
        InputError, match="train-images-idx3-ubyte is missing, .*, or rename emnist-letters-t10k-images"
    ):
        ingest(own_files, make_settings(sha256={}), CLASSES)


def test_idx_files_are_found_under_the_names_of_unpacking_programs(own_files: Path) -> None:
    for path in list((own_files / "idx").iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    data = ingest(own_files, make_settings(sha256={}), CLASSES)
    assert data.samples[0]["file"] == "train-images.idx3-ubyte:0"


def test_idx_files_of_four_dimensions_are_in_colour(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    colors = np.stack([images[:40], images[40:80], images[80:120]], axis=1)
    (tmp_path / "idx").mkdir()
    for name in ("train", "t10k"):
        write_idx(tmp_path / f"idx/{name}-images-idx4-ubyte", colors)
        write_idx(tmp_path / f"idx/{name}-labels-idx1-ubyte", labels[:40])
    data = ingest(tmp_path, make_settings(sha256={}), CLASSES)
    np.testing.assert_array_equal(data.train_images[:, :, 2:30, 2:30], colors)
    assert data.frame.channels == 3


def test_labels_from_one_make_no_class_of_zero(own_files: Path, labels: np.ndarray) -> None:
    """As in the letters of EMNIST."""
    write_idx(own_files / "idx/train-labels-idx1-ubyte.gz", labels + 1)
    overwrite_labels(own_files, [*range(1, 11)] * 10)
    data = ingest(own_files, make_settings(sha256={}), None)
    assert data.classes == [str(number) for number in range(1, 11)]
    assert "labels are from 1 to 10; the 10 that occur are the classes" in data.notes
    np.testing.assert_array_equal(data.train_labels, labels)
    with pytest.raises(InputError, match="labels are from 1: set `classes: null`, or subtract 1 from each label"):
        ingest(own_files, make_settings(sha256={}), CLASSES)


def test_rows_to_be_labelled_without_ids_are_numbered(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    table = pd.read_csv(tmp_path / "evaluate.csv").drop(columns="ID")
    table.to_csv(tmp_path / "evaluate.csv", index=False)
    data = ingest(tmp_path, make_settings(source="csv"), CLASSES)
    assert data.unlabelled_ids.tolist() == [str(number) for number in range(len(table))]


def test_labels_of_the_test_table_are_names_as_those_of_the_training_table(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    for name, part in (("test", slice(100, 110)), ("train", slice(0, 100))):
        write_csv(tmp_path, images[part], np.array([f"{label + 1:02}" for label in labels[part]]))
        (tmp_path / "train.csv").rename(tmp_path / f"{name}.csv")
    data = ingest(tmp_path, make_settings(source="csv"), None)
    assert data.classes == [str(number) for number in range(1, 11)]
    np.testing.assert_array_equal(data.test_labels, labels[100:110])
    np.testing.assert_array_equal(data.train_labels, labels[:100])


def test_classes_of_fewer_images_than_the_settings_ask_for_are_left_out_and_named(
    tmp_path: Path, images: np.ndarray
) -> None:
    labels = np.array([0] * 5 + [1] * 2 + [2] * 4 + [3] * 1 + [4] * 3)
    write_csv(tmp_path, images[:15], labels)
    (tmp_path / "train.csv").rename(tmp_path / "test.csv")
    write_csv(tmp_path, images[:15], labels)
    data = ingest(tmp_path, make_settings(source="csv", min_class_size=3), CLASSES[:5])
    kept = np.isin(labels, [0, 2, 4])
    assert data.classes == ["class 0", "class 2", "class 4"]
    for part_images, part_labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        np.testing.assert_array_equal(part_labels, labels[kept] // 2)
        np.testing.assert_array_equal(part_images[:, 0, 2:30, 2:30], images[:15][kept])
    assert [row["class"] for row in data.samples[:12]] == [CLASSES[label] for label in labels[kept]]
    assert data.notes[0] == (
        "left out, since they have fewer than 3 labelled images (ingest.min_class_size): class 1 (2), class 3 (1)"
    )
    assert len(data.unlabelled_images) == 15


def test_leaving_out_all_classes_but_one_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    write_csv(tmp_path, images[:4], np.array([0, 0, 0, 1]))
    with pytest.raises(InputError, match="ingest.min_class_size: 1 of 2 classes have 2 labelled images; set it lower"):
        ingest(tmp_path, make_settings(source="csv", min_class_size=2), CLASSES[:2])
