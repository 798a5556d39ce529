"""Read the raw files, whatever they are, into arrays of one shape."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fashion.errors import InputError
from fashion.settings.fields import MOST_CLASSES, check_name
from fashion.settings.ingest import Checksums, IngestSettings
from fashion.sources.fetch import DEBIAN_FOLDER, fetch
from fashion.sources.fitting import common_side, fit_image, fit_images, fitted_shape
from fashion.sources.folder import list_classes, list_images, read_grey, read_shape
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
    """Images as uint8 of N x side x side, labels as uint8 (uint16 beyond 256 classes) of N; what has no test set has 0.

    classes: names, by number. content: pixels a side, in the middle, beyond which all images are black margin.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    unlabelled_images: np.ndarray
    unlabelled_ids: np.ndarray
    classes: list[str]
    content: int


def ingest(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read and check everything under `folder`, fetching what is missing; InputError on anything that is not right.

    classes: names, with which the data must agree; None takes them from the data.
    """
    read = {"folder": ingest_folder, "csv": ingest_csv, "idx": ingest_idx}[settings.source]
    data = read(folder, settings, classes)
    warn_of_duplicates(data)
    return data


def ingest_folder(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read train/CLASS/FILES and evaluate/FILES; there is no official test set, and IDs are names of files."""
    by_class = list_classes(folder / "train")
    classes = agree(folder / "train", sorted(by_class), classes)
    paths = [path for name in classes for path in by_class[name]]
    labels = np.repeat(np.arange(len(classes)), [len(by_class[name]) for name in classes])
    unlabelled = list_images(folder / "evaluate")
    for path in unlabelled:
        check_id(path)
    shapes = {read_shape(path) for path in [*paths, *unlabelled]}
    side, enlarge = chosen(settings, shapes)
    images = read_images([*paths, *unlabelled], side, enlarge=enlarge)
    return Dataset(
        images[: len(paths)],
        as_labels(labels, classes),
        images[:0],
        as_labels(labels[:0], classes),
        images[len(paths) :],
        np.array([path.name for path in unlabelled]),
        classes,
        content(shapes, side, enlarge=enlarge),
    )


def ingest_csv(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read train.csv and evaluate.csv; there is no official test set."""
    images, labels, classes = read_labelled(folder / "train.csv", classes)
    unlabelled, ids = read_unlabelled(folder / "evaluate.csv")
    if unlabelled.shape[1:] != images.shape[1:]:
        raise InputError(
            f"{folder / 'evaluate.csv'}: images of {size(unlabelled)}, but those of train.csv are {size(images)}"
        )
    labels = as_labels(labels, classes)
    return fitted(settings, images, labels, images[:0], labels[:0], unlabelled, ids, classes)


def ingest_idx(folder: Path, settings: IngestSettings, classes: list[str] | None) -> Dataset:
    """Read the four IDX files; the unlabelled images are the official test images, numbered from 0."""
    sums = [getattr(settings.sha256, key) for key in Checksums.model_fields]
    paths = find_idx(folder, settings)
    arrays = [
        read_idx(path, dimensions=dimensions, sha256=sha256)
        for path, dimensions, sha256 in zip(paths, IDX_FILES.values(), sums, strict=True)
    ]
    if classes is None:
        classes = [str(number) for number in range(max(arrays[1].max(initial=0), arrays[3].max(initial=0)) + 1)]
    agree(folder, classes, classes)
    for images, labels in ((0, 1), (2, 3)):
        check_pair(paths[images], arrays[images], paths[labels], arrays[labels], len(classes))
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise InputError(f"{paths[2]}: images of {size(arrays[2])}, but those of {paths[0].name} are {size(arrays[0])}")
    numbers = np.arange(len(arrays[2])).astype(str)
    return fitted(settings, arrays[0], arrays[1], arrays[2], arrays[3], arrays[2], numbers, classes)


def find_idx(folder: Path, settings: IngestSettings) -> list[Path]:
    """Locate the four files.

    Your own lie in `folder`/idx, where DVC sees when they change. Files that params.yaml knows by their checksums may
    lie in `folder` too, or in the folder of Debian's package; what is missing of them is fetched.
    """
    own = present(folder / "idx")
    if own:
        missing = [name for name in IDX_FILES if name not in own]
        if missing:
            raise InputError(f"{folder / 'idx'}: {missing[0]} is missing, with or without .gz; put it there")
        return list(own.values())
    there = present(folder)
    if not settings.sha256.all_given():
        found = f"{next(iter(there.values()))} lies where DVC does not see it change" if there else "no IDX files"
        raise InputError(
            f"{folder}: {found}; put all four into {folder / 'idx'}, "
            "or their checksums into ingest.sha256 in params.yaml"
        )
    for place in (there, present(DEBIAN_FOLDER)):
        if len(place) == len(IDX_FILES):
            return list(place.values())
    sums = dict(zip(IDX_FILES, settings.sha256.model_dump().values(), strict=True))
    fetch({f"{name}.gz": sums[name] for name in IDX_FILES if name not in there}, folder, settings.mirrors)
    return list(present(folder).values())


def present(folder: Path) -> dict[str, Path]:
    """Map the IDX files that are in `folder`, gzipped or not, from their names."""
    candidates = [(name, path) for name in IDX_FILES for path in (folder / f"{name}.gz", folder / name)]
    paths = {name: path for name, path in candidates if path.is_file()}
    return {name: paths[name] for name in IDX_FILES if name in paths}


def check_pair(images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray, num_classes: int) -> None:
    """Require images, a label for each, and known labels."""
    if images.size == 0:
        raise InputError(f"{images_path}: {len(images)} images of {size(images)}; there is nothing to learn from")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}")
    if labels.max() >= num_classes:
        at = int(np.argmax(labels >= num_classes))
        raise InputError(
            f"{labels_path}: item {at}: unknown label {labels[at]}; "
            f"`classes` in params.yaml names 0 to {num_classes - 1}"
        )


def agree(place: Path, found: list[str], classes: list[str] | None) -> list[str]:
    """Give the classes by number: those of the data, which must be those of params.yaml if it names any."""
    for name in found:
        try:
            check_name(name)
        except ValueError as error:
            raise InputError(f"{place}: {name!r}: {error}") from None
    if not 2 <= len(found) <= MOST_CLASSES:
        some = f"{len(found)} class{'' if len(found) == 1 else 'es'}"
        raise InputError(f"{place}: {some}; a classifier tells 2 to {MOST_CLASSES:,} apart")
    if classes is None:
        return found
    missing, more = [name for name in classes if name not in found], [name for name in found if name not in classes]
    if missing:
        raise InputError(f"{place}: nothing for {missing[0]!r}, which `classes` in params.yaml names")
    if more:
        raise InputError(
            f"{place}: {more[0]!r} is not among the `classes` in params.yaml; add it there, or take it away"
        )
    return classes


def check_id(path: Path) -> None:
    """Require that an image's file name can stand in a table as its ID."""
    try:
        check_name(path.name)
    except ValueError as error:
        raise InputError(f"{path}: {error}; rename it") from None


def read_images(paths: Sequence[Path], side: int, *, enlarge: bool) -> np.ndarray:
    """Read image files into uint8 of N x side x side, with a bar if it takes long; say once if any have colour."""
    images = np.empty((len(paths), side, side), np.uint8)
    coloured = 0
    for number, path in enumerate(tqdm(paths, desc="ingest", unit=" images", delay=2, mininterval=1, leave=False)):
        image, colour = read_grey(path)
        images[number] = fit_image(image, side, enlarge=enlarge)
        coloured += colour
    if coloured:
        print(f"ingest: {coloured} of {len(paths)} images are in colour and are made grey", flush=True)
    return images


def fitted(
    settings: IngestSettings,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    unlabelled_images: np.ndarray,
    unlabelled_ids: np.ndarray,
    classes: list[str],
) -> Dataset:
    """Bring arrays of images of one shape to the size that settings ask for."""
    shapes = {train_images.shape[1:]}
    side, enlarge = chosen(settings, shapes)
    train, test, unlabelled = (
        fit_images(images, side, enlarge=enlarge) for images in (train_images, test_images, unlabelled_images)
    )
    return Dataset(
        train,
        train_labels,
        test,
        test_labels,
        unlabelled,
        unlabelled_ids,
        classes,
        content(shapes, side, enlarge=enlarge),
    )


def chosen(settings: IngestSettings, shapes: set[tuple[int, int]]) -> tuple[int, bool]:
    """Give pixels a side, and whether images are enlarged to them."""
    side = common_side(shapes) if settings.image_size == "auto" else settings.image_size
    return side, settings.fit == "resize"


def content(shapes: set[tuple[int, int]], side: int, *, enlarge: bool) -> int:
    """Give pixels a side of the square in the middle that holds all images."""
    inner = max(max(fitted_shape(*shape, side, enlarge=enlarge)) for shape in shapes)
    return inner + (side - inner) % 2  # an odd pixel of margin lies on one side alone


def as_labels(numbers: np.ndarray, classes: list[str]) -> np.ndarray:
    return numbers.astype(np.uint8 if len(classes) <= 256 else np.uint16)


def warn_of_duplicates(data: Dataset) -> None:
    """Say how many of the images to label are among the labelled ones, and name the first."""
    known = {image.tobytes() for image in data.train_images}
    again = [number for number, image in enumerate(data.unlabelled_images) if image.tobytes() in known]
    if again:
        print(
            f"ingest: warning: {len(again)} of {len(data.unlabelled_images)} images to label are among the labelled "
            f"ones, the first with ID {data.unlabelled_ids[again[0]]}; results on them say little",
            file=sys.stderr,
            flush=True,
        )


def size(images: np.ndarray) -> str:
    return f"{images.shape[1]}x{images.shape[2]} pixels"
