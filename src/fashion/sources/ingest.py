"""Read the raw files, whatever they are, into arrays of one shape."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion.errors import InputError
from fashion.settings.ingest import Checksums, IngestSettings
from fashion.sources.fetch import DEBIAN_FOLDER, fetch
from fashion.sources.idx import read_idx
from fashion.sources.table import read_labelled, read_unlabelled

IDX_FILES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}  # with their number of dimensions


@dataclass
class Dataset:
    """Images as uint8 of N x H x W, labels as uint8 of N; the test set of a CSV source is empty."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    unlabelled_images: np.ndarray
    unlabelled_ids: np.ndarray


def ingest(folder: Path, settings: IngestSettings, *, num_classes: int) -> Dataset:
    """Read and check everything under `folder`, fetching what is missing; InputError on anything that is not right."""
    data = ingest_csv(folder, num_classes) if settings.source == "csv" else ingest_idx(folder, settings, num_classes)
    for name in ("train_images", "test_images", "unlabelled_images"):
        setattr(data, name, pad(getattr(data, name), settings.pad_to))
    return data


def ingest_idx(folder: Path, settings: IngestSettings, num_classes: int) -> Dataset:
    """Read the four IDX files; the unlabelled images are the official test images, numbered from 0."""
    sums = [getattr(settings.sha256, key) for key in Checksums.model_fields]
    paths = find_idx(folder, settings.mirrors)
    arrays = [
        read_idx(path, dimensions=dimensions, sha256=sha256)
        for path, dimensions, sha256 in zip(paths, IDX_FILES.values(), sums, strict=True)
    ]
    for images, labels in ((0, 1), (2, 3)):
        check_pair(paths[images], arrays[images], paths[labels], arrays[labels], num_classes)
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise InputError(f"{paths[2]}: images of {side(arrays[2])}, but those of {paths[0].name} are {side(arrays[0])}")
    numbers = np.arange(len(arrays[2])).astype(str)
    return Dataset(arrays[0], arrays[1], arrays[2], arrays[3], unlabelled_images=arrays[2], unlabelled_ids=numbers)


def find_idx(folder: Path, mirrors: list[str]) -> list[Path]:
    """Locate the four files in `folder`, else in the folder of Debian's package; else fetch what is missing."""
    for place in (folder, DEBIAN_FOLDER):
        found = present(place)
        if len(found) == len(IDX_FILES):
            return list(found.values())
    there = present(folder)
    fetch([f"{name}.gz" for name in IDX_FILES if name not in there], folder, mirrors)
    return list(present(folder).values())


def present(folder: Path) -> dict[str, Path]:
    """Map the IDX files that are in `folder`, gzipped or not, from their names."""
    candidates = [(name, path) for name in IDX_FILES for path in (folder / f"{name}.gz", folder / name)]
    paths = {name: path for name, path in candidates if path.is_file()}
    return {name: paths[name] for name in IDX_FILES if name in paths}


def check_pair(images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray, num_classes: int) -> None:
    """Require square images, at least one, a label for each, and known labels."""
    if len(images) == 0:
        raise InputError(f"{images_path}: no images")
    if images.shape[1] != images.shape[2] or images.shape[1] == 0:
        raise InputError(f"{images_path}: images of {side(images)} are not square")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}")
    if labels.max() >= num_classes:
        at = int(np.argmax(labels >= num_classes))
        raise InputError(
            f"{labels_path}: item {at}: unknown label {labels[at]}; "
            f"`classes` in params.yaml names 0 to {num_classes - 1}"
        )


def ingest_csv(folder: Path, num_classes: int) -> Dataset:
    """Read train.csv and evaluate.csv; there is no official test set."""
    images, labels = read_labelled(folder / "train.csv", num_classes=num_classes)
    unlabelled, ids = read_unlabelled(folder / "evaluate.csv")
    if unlabelled.shape[1:] != images.shape[1:]:
        raise InputError(
            f"{folder / 'evaluate.csv'}: images of {side(unlabelled)}, but those of train.csv are {side(images)}"
        )
    return Dataset(images, labels, images[:0], labels[:0], unlabelled, ids)


def pad(images: np.ndarray, size: int) -> np.ndarray:
    """Put a black margin around images smaller than `size` a side; an odd pixel goes below and to the right."""
    margin = max(size - images.shape[-1], 0)
    before, after = margin // 2, margin - margin // 2
    return np.pad(images, ((0, 0), (before, after), (before, after)))


def side(images: np.ndarray) -> str:
    return f"{images.shape[1]}x{images.shape[2]} pixels"
