"""Read a data set from image folders, CSV tables or IDX files into arrays of images of one size."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fashion.errors import InputError
from fashion.settings.fields import MAX_CLASSES, check_name
from fashion.settings.ingest import IngestSettings
from fashion.sources.fetch import DEBIAN_FOLDER, fetch
from fashion.sources.folder import list_classes, list_images, read_grey, read_shape
from fashion.sources.idx import read_idx
from fashion.sources.resizing import choose_side, resize_and_pad, resize_and_pad_all, resized_shape
from fashion.sources.table import read_labelled, read_unlabelled

IDX_FILES = {  # number of dimensions by name, in the order of the fields of `Checksums`
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


@dataclass
class Dataset:
    """Images, uint8 of N x side x side, and labels, uint8 (uint16 for more than 256 classes) of N.

    Without an official test set, N is 0 for the test images. unlabelled_ids: text of N. classes: names, by label.
    content_side: side of the central square that contains all images, in pixels; the rest is black margin.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    unlabelled_images: np.ndarray
    unlabelled_ids: np.ndarray
    classes: list[str]
    content_side: int


def ingest(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read and check the raw files in `folder`, and download missing ones; InputError for any fault.

    classes: names, by label, which the data must have; None takes them from the data.
    """
    ingest_source = {"folder": ingest_folder, "csv": ingest_csv, "idx": ingest_idx}[settings.source]
    data = ingest_source(folder, settings, classes)
    warn_about_duplicates(data)
    return data


def ingest_folder(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read train/CLASS/FILES and evaluate/FILES. There is no official test set; IDs are file names."""
    by_class = list_classes(folder / "train")
    classes = check_class_names(folder / "train", sorted(by_class), classes)
    paths = [path for name in classes for path in by_class[name]]
    labels = np.repeat(np.arange(len(classes)), [len(by_class[name]) for name in classes])
    unlabelled = list_images(folder / "evaluate")
    for path in unlabelled:
        check_id(path)
    shapes = {read_shape(path) for path in [*paths, *unlabelled]}
    side, enlarge = target_size(settings, shapes)
    images = read_images([*paths, *unlabelled], side, enlarge=enlarge)
    return Dataset(
        images[: len(paths)],
        cast_labels(labels, classes),
        images[:0],
        cast_labels(labels[:0], classes),
        images[len(paths) :],
        np.array([path.name for path in unlabelled]),
        classes,
        content_side(shapes, side, enlarge=enlarge),
    )


def ingest_csv(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read train.csv and evaluate.csv. There is no official test set."""
    images, labels, classes = read_labelled(folder / "train.csv", classes)
    unlabelled, ids = read_unlabelled(folder / "evaluate.csv")
    if unlabelled.shape[1:] != images.shape[1:]:
        raise InputError(
            f"{folder / 'evaluate.csv'}: images of {format_size(unlabelled)}, "
            f"but those of train.csv are {format_size(images)}"
        )
    labels = cast_labels(labels, classes)
    return resize_dataset(settings, images, labels, images[:0], labels[:0], unlabelled, ids, classes)


def ingest_idx(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read the four IDX files. The unlabelled images are the official test images, with IDs from 0."""
    paths = find_idx(folder, settings)
    checksums = settings.sha256.model_dump().values()
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, dimensions=dimensions, sha256=sha256)
        for path, dimensions, sha256 in zip(paths, IDX_FILES.values(), checksums, strict=True)
    )
    if classes is None:
        classes = [str(label) for label in range(max(train_labels.max(initial=0), test_labels.max(initial=0)) + 1)]
    check_class_names(folder, classes, classes)
    check_images_and_labels(paths[0], train_images, paths[1], train_labels, len(classes))
    check_images_and_labels(paths[2], test_images, paths[3], test_labels, len(classes))
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"{paths[2]}: images of {format_size(test_images)}, "
            f"but those of {paths[0].name} are {format_size(train_images)}"
        )
    ids = np.arange(len(test_images)).astype(str)
    return resize_dataset(settings, train_images, train_labels, test_images, test_labels, test_images, ids, classes)


def find_idx(folder: Path, settings: IngestSettings) -> list[Path]:
    """Find the four IDX files, or download them.

    Your own files are in `folder`/idx, where DVC detects changes. Files with checksums in params.yaml may also be in
    `folder` or in the folder of Debian's package; those that are missing are downloaded.
    """
    own_files = find_idx_files(folder / "idx")
    if own_files:
        missing = [name for name in IDX_FILES if name not in own_files]
        if missing:
            raise InputError(f"{folder / 'idx'}: {missing[0]} is missing, with or without .gz; put it there")
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
    """Give the paths of the IDX files in `folder`, gzipped or not, by name."""
    candidates = [(name, path) for name in IDX_FILES for path in (folder / f"{name}.gz", folder / name)]
    paths = {name: path for name, path in candidates if path.is_file()}
    return {name: paths[name] for name in IDX_FILES if name in paths}


def check_images_and_labels(
    images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray, num_classes: int
) -> None:
    """Raise InputError if there are no images, another number of labels, or unknown labels."""
    if images.size == 0:
        raise InputError(f"{images_path}: {len(images)} images of {format_size(images)}; there is nothing to train on")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}")
    if labels.max() >= num_classes:
        index = int(np.argmax(labels >= num_classes))
        raise InputError(
            f"{labels_path}: item {index}: unknown label {labels[index]}; "
            f"`classes` in params.yaml names 0 to {num_classes - 1}"
        )


def check_class_names(path: Path, names: list[str], classes: list[str] | None) -> list[str]:
    """Check the names of the classes in the data; give the classes by label.

    path: of the data, for messages. classes: those of params.yaml, by label; None takes `names`.
    """
    for name in names:
        try:
            check_name(name)
        except ValueError as error:
            raise InputError(f"{path}: {name!r}: {error}") from None
    if not 2 <= len(names) <= MAX_CLASSES:
        raise InputError(f"{path}: {len(names)} class{'' if len(names) == 1 else 'es'}; expected 2 to {MAX_CLASSES:,}")
    if classes is None:
        return names
    missing, unknown = [name for name in classes if name not in names], [name for name in names if name not in classes]
    if missing:
        raise InputError(f"{path}: no images of {missing[0]!r}, which is in `classes` in params.yaml")
    if unknown:
        raise InputError(
            f"{path}: {unknown[0]!r} is not among the `classes` in params.yaml; add it there, or remove it"
        )
    return classes


def check_id(path: Path) -> None:
    """Raise InputError if the name of an image file would do harm as an ID in a table."""
    try:
        check_name(path.name)
    except ValueError as error:
        raise InputError(f"{path}: {error}; rename it") from None


def read_images(paths: Sequence[Path], side: int, *, enlarge: bool) -> np.ndarray:
    """Read image files into uint8 of N x side x side; print how many have colour. Shows a progress bar after 2 s."""
    images = np.empty((len(paths), side, side), np.uint8)
    num_coloured = 0
    for index, path in enumerate(tqdm(paths, desc="ingest", unit=" images", delay=2, mininterval=1, leave=False)):
        image, has_colour = read_grey(path)
        images[index] = resize_and_pad(image, side, enlarge=enlarge)
        num_coloured += has_colour
    if num_coloured:
        print(f"ingest: {num_coloured} of {len(paths)} images are in colour and are converted to grey", flush=True)
    return images


def resize_dataset(
    settings: IngestSettings,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    unlabelled_images: np.ndarray,
    unlabelled_ids: np.ndarray,
    classes: list[str],
) -> Dataset:
    """Make a data set from arrays of images of one shape, resized as in the settings."""
    shapes = {train_images.shape[1:]}
    side, enlarge = target_size(settings, shapes)
    train, test, unlabelled = (
        resize_and_pad_all(images, side, enlarge=enlarge) for images in (train_images, test_images, unlabelled_images)
    )
    return Dataset(
        train,
        train_labels,
        test,
        test_labels,
        unlabelled,
        unlabelled_ids,
        classes,
        content_side(shapes, side, enlarge=enlarge),
    )


def target_size(settings: IngestSettings, shapes: set[tuple[int, int]]) -> tuple[int, bool]:
    """Give the side of the images in pixels, and whether smaller images are enlarged to it."""
    side = choose_side(shapes) if settings.image_size == "auto" else settings.image_size
    return side, settings.fit == "resize"


def content_side(shapes: set[tuple[int, int]], side: int, *, enlarge: bool) -> int:
    """Give the side of the central square that contains all images of these shapes, in pixels."""
    longest = max(max(resized_shape(*shape, side, enlarge=enlarge)) for shape in shapes)
    return longest + (side - longest) % 2  # with an odd margin, an image is not centred


def cast_labels(labels: np.ndarray, classes: list[str]) -> np.ndarray:
    return labels.astype(np.uint8 if len(classes) <= 256 else np.uint16)


def warn_about_duplicates(data: Dataset) -> None:
    """Print how many unlabelled images are also among the labelled ones, and the ID of the first."""
    labelled = {image.tobytes() for image in data.train_images}
    duplicates = [index for index, image in enumerate(data.unlabelled_images) if image.tobytes() in labelled]
    if duplicates:
        print(
            f"ingest: warning: {len(duplicates)} of {len(data.unlabelled_images)} unlabelled images are also among the "
            f"labelled images, the first with ID {data.unlabelled_ids[duplicates[0]]}; results on them say little",
            file=sys.stderr,
            flush=True,
        )


def format_size(images: np.ndarray) -> str:
    return f"{images.shape[1]}x{images.shape[2]} pixels"
