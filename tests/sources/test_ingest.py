import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clone import CHECKSUMS, DATA
from fashion.classifier.preparation import crop
from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources import ingest as ingest_module
from fashion.sources.ingest import ingest

CLASSES = [f"class {number}" for number in range(10)]


def make_settings(**changes: object) -> IngestSettings:
    defaults = {"source": "idx", "image_size": 32, "fit": "pad", "sha256": CHECKSUMS}
    return IngestSettings.model_validate({**defaults, **changes})


@pytest.fixture(autouse=True)
def no_debian_package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the files of Debian's package, which may be installed."""
    monkeypatch.setattr(ingest_module, "DEBIAN_FOLDER", tmp_path_factory.mktemp("nothing"))


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


def overwrite_labels(raw: Path, labels: list[int]) -> None:
    content = b"\x00\x00\x08\x01" + len(labels).to_bytes(4, "big") + bytes(labels)
    (raw / "idx/t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))


def test_images_get_a_black_margin_and_the_test_images_are_also_the_unlabelled_ones(
    raw: Path, images: np.ndarray
) -> None:
    data = ingest(raw, make_settings(), CLASSES)
    np.testing.assert_array_equal(data.train_images[:, 2:30, 2:30], images)
    assert data.train_images.sum(dtype=int) == images.sum(dtype=int)
    np.testing.assert_array_equal(data.unlabelled_images, data.test_images)
    assert data.unlabelled_ids.tolist() == [str(number) for number in range(100)]
    assert (data.content_side, data.classes) == (28, CLASSES)


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

    monkeypatch.setattr(ingest_module, "fetch", fake_fetch)
    data = ingest(raw, make_settings(mirrors=["https://mirror.example"]), CLASSES)
    assert requested == ["t10k-labels-idx1-ubyte.gz", "https://mirror.example"]
    assert len(data.test_labels) == 100


def test_files_of_debians_package_are_used_if_raw_is_empty(
    raw: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "DEBIAN_FOLDER", raw)
    assert len(ingest(tmp_path_factory.mktemp("empty"), make_settings(), CLASSES).train_images) == 400


def test_own_files_need_neither_checksums_nor_class_names(own_files: Path) -> None:
    data = ingest(own_files, make_settings(sha256={}, image_size="auto"), None)
    assert data.train_images.shape == (400, 28, 28)
    assert data.classes == [str(number) for number in range(10)]


def test_three_own_files_are_refused_and_the_fourth_is_not_fetched(
    own_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "fetch", lambda *_: pytest.fail("fetched a file"))
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
    assert data.train_images.shape == (20, 32, 32)
    assert data.test_images.shape == (0, 32, 32)
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


def test_a_warning_counts_unlabelled_images_that_are_also_labelled(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    ingest(tmp_path, make_settings(source="csv"), CLASSES)
    warning = capsys.readouterr().err
    assert "20 of 20 unlabelled images are also among the labelled images, the first with ID image 0" in warning


def test_small_images_are_enlarged_and_large_ones_shrunk_by_default(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    for source, side in ((images[:20, 8:20, 8:20], 24), (np.kron(images[:20], np.ones((3, 3), np.uint8)), 64)):
        write_csv(tmp_path, source, labels[:20])
        data = ingest(tmp_path, make_settings(source="csv", image_size="auto", fit="resize"), None)
        assert data.train_images.shape == (20, side, side)
        assert data.content_side == side
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
    assert data.content_side == 28
    np.testing.assert_array_equal(crop(data.train_images, data.content_side)[:, :27, :27], images[:20, 1:, 1:])
