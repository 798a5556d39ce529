"""Divide the labelled images into training, validation and test."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from fashion.errors import InputError
from fashion.settings.split import SplitSettings


@dataclass
class Parts:
    """Positions of training, validation and test images; test is None where the official test set is kept."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None


def split(labels: np.ndarray, settings: SplitSettings, *, classes: list[str], has_test: bool) -> Parts:
    """Draw the parts, each with images of every class. InputError when there are too few images, in all or of a class.

    labels: class numbers of N. classes: their names.
    """
    counts = np.bincount(labels, minlength=len(classes))
    if settings.scheme == "official" and has_test:
        return with_official_test(labels, counts, settings, classes)
    if settings.validation_fraction >= 1 - settings.test_fraction:
        raise InputError(
            "params.yaml: split.validation_fraction: with split.test_fraction it leaves nothing to train on"
        )
    refuse_scarce(counts, classes, least=3, use="one each for training, validation and test")
    random = np.random.default_rng(settings.random_state)
    train, validation, test = [], [], []
    for number, count in enumerate(counts):
        places = random.permutation(np.flatnonzero(labels == number))
        tested = max(1, min(round(settings.test_fraction * count), count - 2))
        validated = max(1, min(round(settings.validation_fraction * count), count - tested - 1))
        test.append(places[:tested])
        validation.append(places[tested : tested + validated])
        train.append(places[tested + validated :])
    return Parts(*(random.permutation(np.concatenate(part)) for part in (train, validation, test)))


def with_official_test(labels: np.ndarray, counts: np.ndarray, settings: SplitSettings, classes: list[str]) -> Parts:
    """Draw validation images alone, stratified."""
    if settings.validation >= len(labels):
        raise InputError(
            f"params.yaml: split.validation: {settings.validation} of {len(labels)} labelled images "
            "leave none to train on; a share such as 0.2 will do, too"
        )
    there = np.flatnonzero(counts)
    refuse_scarce(counts[there], [classes[number] for number in there], least=2, use="to learn and to validate")
    try:
        train, validation = train_test_split(
            np.arange(len(labels)), test_size=settings.validation, stratify=labels, random_state=settings.random_state
        )
    except ValueError as error:
        raise InputError(f"params.yaml: split.validation: cannot stratify: {error}") from None
    return Parts(train, validation, None)


def some_of_each(labels: np.ndarray, at_most: int | None) -> np.ndarray | slice:
    """Choose about so many images of a part, as many of each class as its share of them is, but at least one."""
    if at_most is None or len(labels) <= at_most:
        return slice(None)
    by_class = np.argsort(labels, kind="stable")
    evenly = by_class[np.linspace(0, len(labels), at_most, endpoint=False).astype(int)]
    _, first_of_each = np.unique(labels, return_index=True)
    return np.union1d(evenly, first_of_each)


def refuse_scarce(counts: np.ndarray, classes: list[str], *, least: int, use: str) -> None:
    """Refuse classes of too few labelled images, by name and count."""
    scarce = np.flatnonzero(counts < least)
    if len(scarce):
        number = scarce[0]
        images = f"{counts[number]} labelled image{'' if counts[number] == 1 else 's'}"
        others = f", and {len(scarce) - 1} more classes have too few" if len(scarce) > 1 else ""
        raise InputError(
            f"class {classes[number]!r} has {images} and needs {least}, {use}{others}; add images, or take it away"
        )
