"""Find the four IDX files of a data set, download missing ones, and check that they fit each other."""

from pathlib import Path

import numpy as np

from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources.fetch import DEBIAN_FOLDER, fetch
from fashion.sources.idx import is_idx, read_idx
from fashion.sources.raw_data import (
    Images,
    RawData,
    Sample,
    check_class_names,
    check_same_shape,
    format_size,
    make_rows,
)

IDX_FILES = {  # number of dimensions by name, in the order of the fields of `Checksums`
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


def find_in_idx(folder: Path, settings: IngestSettings, classes: list[str] | None) -> RawData:
    """Read the four IDX files. The unlabelled images are the official test images, with IDs from 0."""
    paths = find_idx(folder, settings)
    checksums = settings.sha256.model_dump().values()
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, dimensions=dimensions, sha256=sha256)
        for path, dimensions, sha256 in zip(paths, IDX_FILES.values(), checksums, strict=True)
    )
    train_images, test_images = (
        images[:, None] if images.ndim == 3 else images for images in (train_images, test_images)
    )
    check_images_and_labels(paths[0], train_images, paths[1], train_labels)
    check_images_and_labels(paths[2], test_images, paths[3], test_labels)
    check_same_shape(paths[2], test_images, paths[0], train_images)
    notes = []
    if classes is None:  # a number without images, as 0 in labels from 1, is no class
        numbers = np.union1d(train_labels, test_labels)
        classes = check_class_names(folder, [str(number) for number in numbers], None)
        if numbers[-1] >= len(numbers):
            notes.append(
                f"labels are from {numbers[0]} to {numbers[-1]}; the {len(numbers)} that occur are the classes"
            )
        train_labels, test_labels = np.searchsorted(numbers, train_labels), np.searchsorted(numbers, test_labels)
    check_class_names(folder, classes, classes)
    check_labels(paths[1], train_labels, len(classes))
    check_labels(paths[3], test_labels, len(classes))
    train_name, test_name = (path.name.removesuffix(".gz") for path in (paths[0], paths[2]))
    labelled = make_rows(train_name, train_images, train_labels, "labelled", first=0)
    test = make_rows(test_name, test_images, test_labels, "test", first=0)
    unlabelled = [Sample(str(row), sample.file, None, "unlabelled") for row, sample in enumerate(test.samples)]
    return RawData(labelled, test, Images(unlabelled, test_images), classes, notes)


def find_idx(folder: Path, settings: IngestSettings) -> list[Path]:
    """Find the four IDX files, or download them.

    Your own files are in `folder`/idx, where DVC detects changes. Files with checksums in params.yaml may also be in
    `folder` or in the folder of Debian's package; those that are missing are downloaded.
    """
    own_files = find_idx_files(folder / "idx")
    others = [path for path in sorted((folder / "idx").glob("*")) if path not in own_files.values() and is_idx(path)]
    if own_files or others:
        missing = [name for name in IDX_FILES if name not in own_files]
        if missing:
            remedy = f", or rename {others[0].name}" if others else ""
            raise InputError(f"{folder / 'idx'}: {missing[0]} is missing, with or without .gz; put it there{remedy}")
        return list(own_files.values())
    files = find_idx_files(folder)
    if not settings.sha256.all_given():
        found = f"{next(iter(files.values()))} is where DVC does not detect changes" if files else "no IDX files"
        raise InputError(
            f"{folder}: {found}; put all four files into {folder / 'idx'}, "
            "or their checksums into ingest.sha256 in params.yaml"
        )
    for candidates in (files, find_idx_files(DEBIAN_FOLDER)):
        if len(candidates) == len(IDX_FILES):
            return list(candidates.values())
    checksums = dict(zip(IDX_FILES, settings.sha256.model_dump().values(), strict=True))
    fetch({f"{name}.gz": checksums[name] for name in IDX_FILES if name not in files}, folder, settings.mirrors)
    return list(find_idx_files(folder).values())


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Give the paths of the IDX files in `folder`, gzipped or not, by name.

    Their names may have a dot before `idx`, as unpacking programs write it, and `idx4` for images in colour.
    """
    paths = {}
    for name in IDX_FILES:
        spellings = [name.replace("idx3", "idx4"), name]
        spellings = [spelling.replace("-idx", ".idx") for spelling in spellings] + spellings
        for path in (folder / f"{spelling}{suffix}" for spelling in spellings for suffix in (".gz", "")):
            if path.is_file():
                paths[name] = path
    return paths


def check_images_and_labels(images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray) -> None:
    """Raise InputError if there are no images, or another number of labels."""
    if images.size == 0:
        raise InputError(f"{images_path}: {len(images)} images of {format_size(images)}; there is nothing to train on")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}")


def check_labels(path: Path, labels: np.ndarray, num_classes: int) -> None:
    """Raise InputError for a label that is no class number."""
    if labels.max() >= num_classes:
        index = int(np.argmax(labels >= num_classes))
        from_one = labels.min() == 1 and labels.max() == num_classes
        remedy = "; labels are from 1: set `classes: null`, or subtract 1 from each label" if from_one else ""
        raise InputError(
            f"{path}: item {index}: unknown label {labels[index]}; "
            f"`classes` in params.yaml names 0 to {num_classes - 1}{remedy}"
        )
