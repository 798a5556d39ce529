import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clone import DATA
from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources import ingest as ingesting
from fashion.sources.ingest import ingest, pad


def settings(**changes: object) -> IngestSettings:
    sha256 = dict.fromkeys(("train_images", "train_labels", "test_images", "test_labels"))
    return IngestSettings.model_validate({"source": "idx", "pad_to": 32, "sha256": sha256, "mirrors": [], **changes})


@pytest.fixture(autouse=True)
def no_package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file comes from Debian's package, which may be installed."""
    monkeypatch.setattr(ingesting, "DEBIAN_FOLDER", tmp_path_factory.mktemp("nothing"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for path in DATA.glob("*.gz"):
        shutil.copy(path, tmp_path)
    return tmp_path


def overwrite_labels(raw: Path, labels: list[int]) -> None:
    content = b"\x00\x00\x08\x01" + len(labels).to_bytes(4, "big") + bytes(labels)
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))


def test_images_get_a_black_margin_and_the_test_images_are_also_the_unlabelled_ones(
    raw: Path, images: np.ndarray
) -> None:
    data = ingest(raw, settings(), num_classes=10)
    np.testing.assert_array_equal(data.train_images[:, 2:30, 2:30], images)
    assert data.train_images.sum(dtype=int) == images.sum(dtype=int)
    np.testing.assert_array_equal(data.unlabelled_images, data.test_images)
    assert data.unlabelled_ids.tolist() == [str(number) for number in range(100)]


def test_images_that_are_large_enough_are_left_alone(images: np.ndarray) -> None:
    np.testing.assert_array_equal(pad(images, 20), images)
    assert pad(images, 31).shape == (400, 31, 31)


def test_files_without_gzip_are_read_too(raw: Path) -> None:
    for path in list(raw.iterdir()):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(ingest(raw, settings(), num_classes=10).train_images) == 400


def test_only_what_is_missing_is_fetched(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = raw.parent / "hidden.gz"
    (raw / "t10k-labels-idx1-ubyte.gz").rename(hidden)
    asked = []

    def deliver(names: list[str], folder: Path, mirrors: list[str]) -> None:
        asked.extend([*names, *mirrors])
        hidden.rename(folder / names[0])

    monkeypatch.setattr(ingesting, "fetch", deliver)
    data = ingest(raw, settings(mirrors=["https://mirror.example"]), num_classes=10)
    assert asked == ["t10k-labels-idx1-ubyte.gz", "https://mirror.example"]
    assert len(data.test_labels) == 100


def test_debians_folder_is_looked_at_when_raw_is_empty(
    raw: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "DEBIAN_FOLDER", raw)
    assert len(ingest(tmp_path_factory.mktemp("empty"), settings(), num_classes=10).train_images) == 400


def test_fewer_labels_than_images_are_refused(raw: Path) -> None:
    overwrite_labels(raw, [0] * 99)
    with pytest.raises(InputError, match="99 labels for the 100 images"):
        ingest(raw, settings(), num_classes=10)


def test_an_unknown_label_is_refused_with_its_place(raw: Path) -> None:
    overwrite_labels(raw, [9] * 40 + [10] * 60)
    with pytest.raises(InputError, match="item 40: unknown label 10; `classes` in params.yaml names 0 to 9"):
        ingest(raw, settings(), num_classes=10)


def write_csv(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    columns = [f"pix{number}" for number in range(1, images[0].size + 1)]
    table = pd.DataFrame(images.reshape(len(images), -1), columns=columns)
    table.assign(label=labels).to_csv(folder / "train.csv", index=False)
    table.assign(ID=[f"image {number}" for number in range(len(table))]).to_csv(folder / "evaluate.csv", index=False)


def test_csv_tables_give_labelled_and_unlabelled_images_and_no_test_set(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_csv(tmp_path, images[:20], labels[:20])
    data = ingest(tmp_path, settings(source="csv"), num_classes=10)
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
        ingest(tmp_path, settings(source="csv"), num_classes=10)
