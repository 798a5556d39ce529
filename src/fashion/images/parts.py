"""What each labelled image is for, member by member: uint8 of members x N; and reading what `split` wrote."""

import csv
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from fashion.files import read_array


class Part(IntEnum):
    """What a labelled image is for."""

    UNUSED = 0
    TRAIN = 1
    VALIDATION = 2
    TEST = 3


def indices_of(parts: np.ndarray, part: Part, *, copies: int = 1) -> list[np.ndarray]:
    """Give for each member the indices of its images of a part, in ascending order.

    copies: of each image, one after the other, among the images that are indexed.

    >>> [indices.tolist() for indices in indices_of(np.array([[1, 3], [3, 1]]), Part.TRAIN, copies=2)]
    [[0, 1], [2, 3]]
    """
    return [(np.flatnonzero(row == part)[:, None] * copies + np.arange(copies)).ravel() for row in parts]


def members_with(parts: np.ndarray, part: Part) -> np.ndarray:
    """Give for each image that has a part for any member, in ascending order, the number of the first such member."""
    return (parts == part).argmax(0)[any_member(parts, part)]


def any_member(parts: np.ndarray, part: Part) -> np.ndarray:
    """Give the indices of the images that have a part for any member, in ascending order."""
    return np.flatnonzero((parts == part).any(0))


def read_images(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels: `labelled` or `test` of data/split, `labelled` of data/augmented."""
    return read_array(folder / f"{name}_images.npy"), np.asarray(read_array(folder / f"{name}_labels.npy"))


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of samples.csv in a folder, in the order of the images."""
    with (folder / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_test_samples(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of the test images in data/split."""
    parts, samples = read_array(folder / "parts.npy"), read_samples(folder)
    tested = any_member(parts, Part.TEST)
    return [samples[index] for index in tested] if len(tested) else samples[parts.shape[1] :]
