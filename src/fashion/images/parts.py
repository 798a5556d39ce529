"""What each labelled image is for, member by member: uint8 of members x N, as data/split/parts.npy has it."""

from enum import IntEnum

import numpy as np


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
