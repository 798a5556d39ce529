"""Split the labelled images into training, validation and test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from fashion.errors import InputError
from fashion.settings.split import SplitSettings


@dataclass
class SplitIndices:
    """Indices of training, validation and test images; test is None if the official test set is kept."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None


def split(
    labels: np.ndarray,
    settings: SplitSettings,
    *,
    classes: list[str],
    has_test: bool,
    parts: Sequence[str] | None = None,
) -> SplitIndices:
    """Draw images of every class for each part; InputError if there are too few, in total or of a class.

    labels: of N. classes: names, by label. has_test: whether there is an official test set. parts: of N; images that
    have the part `validation` are the validation images, and none are drawn; None if no image has it. An official test
    set is kept if the scheme is `official`, or if a table gives the parts.
    """
    official = settings.scheme == "official" or (settings.file is not None and has_test)
    given = np.array([part == "validation" for part in parts or ()], bool)
    if official and not has_test:
        raise InputError(
            "params.yaml: split.scheme: official, but there are no test images; put them into data/raw/test (or "
            "test.csv), or set it to fractions"
        )
    if given.any():
        return split_with_given_validation(labels, given, settings, classes, official=official)
    counts = np.bincount(labels, minlength=len(classes))
    if official:
        return split_with_official_test(labels, counts, settings, classes)
    if settings.validation_fraction >= 1 - settings.test_fraction:
        raise InputError(
            "params.yaml: split.validation_fraction: with split.test_fraction it leaves nothing to train on"
        )
    check_class_counts(counts, classes, minimum=3, purpose="one each for training, validation and test")
    rng = np.random.default_rng(settings.random_state)
    train, validation, test = [], [], []
    for label, count in enumerate(counts):
        indices = rng.permutation(np.flatnonzero(labels == label))
        num_test = max(1, min(round(settings.test_fraction * count), count - 2))
        num_validation = max(1, min(round(settings.validation_fraction * count), count - num_test - 1))
        test.append(indices[:num_test])
        validation.append(indices[num_test : num_test + num_validation])
        train.append(indices[num_test + num_validation :])
    return SplitIndices(*(rng.permutation(np.concatenate(part)) for part in (train, validation, test)))


def split_with_given_validation(
    labels: np.ndarray, given: np.ndarray, settings: SplitSettings, classes: list[str], *, official: bool
) -> SplitIndices:
    """Keep the validation images that are given, and draw test images of each class.

    given: whether each image is one for validation, N booleans. official: keep the official test set, and draw none.
    """
    train, validation = np.flatnonzero(~given), np.flatnonzero(given)
    counts = np.bincount(labels[train], minlength=len(classes))
    if official:
        check_class_counts(counts, classes, minimum=1, purpose="for training")
        return SplitIndices(train, validation, None)
    check_class_counts(counts, classes, minimum=2, purpose="one each for training and test")
    rng = np.random.default_rng(settings.random_state)
    by_class = [rng.permutation(train[labels[train] == label]) for label in range(len(classes))]
    sizes = [max(1, min(round(settings.test_fraction * count), count - 1)) for count in counts]
    test = np.concatenate([indices[:size] for indices, size in zip(by_class, sizes, strict=True)])
    return SplitIndices(np.setdiff1d(train, test), validation, np.sort(test))


def split_with_official_test(
    labels: np.ndarray, counts: np.ndarray, settings: SplitSettings, classes: list[str]
) -> SplitIndices:
    """Draw stratified validation images; the official test set is kept. counts: number of images of each class."""
    if settings.validation >= len(labels):
        raise InputError(
            f"params.yaml: split.validation: {settings.validation} of {len(labels)} labelled images "
            "leave none to train on; set fewer, or a fraction such as 0.2"
        )
    present = np.flatnonzero(counts)
    check_class_counts(
        counts[present],
        [classes[label] for label in present],
        minimum=2,
        purpose="one each for training and validation",
    )
    try:
        train, validation = train_test_split(
            np.arange(len(labels)), test_size=settings.validation, stratify=labels, random_state=settings.random_state
        )
    except ValueError as error:
        raise InputError(f"params.yaml: split.validation: cannot stratify: {error}") from None
    return SplitIndices(train, validation, None)


def stratified_subset(labels: np.ndarray, at_most: int | None) -> np.ndarray | slice:
    """Choose about `at_most` images, with the same fractions of the classes, but at least one image of each class.

    Give an index into the images: the chosen indices in ascending order, or a slice of all.
    """
    if at_most is None or len(labels) <= at_most:
        return slice(None)
    by_class = np.argsort(labels, kind="stable")
    evenly_spaced = by_class[np.linspace(0, len(labels), at_most, endpoint=False).astype(int)]
    _, first_of_each = np.unique(labels, return_index=True)
    return np.union1d(evenly_spaced, first_of_each)


def check_class_counts(counts: np.ndarray, classes: list[str], *, minimum: int, purpose: str) -> None:
    """Raise InputError if a class has fewer than `minimum` labelled images."""
    too_few = np.flatnonzero(counts < minimum)
    if len(too_few):
        label = too_few[0]
        images = f"{counts[label]} labelled image{'' if counts[label] == 1 else 's'}"
        others = f", and {len(too_few) - 1} more classes have too few" if len(too_few) > 1 else ""
        raise InputError(
            f"class {classes[label]!r} has {images} and needs {minimum}, {purpose}{others}; "
            "add images, or remove the class"
        )
