"""Some of many images, for what is too dear to do with all."""

import numpy as np
import pytest

from evaluate import spread


@pytest.mark.parametrize(("some", "number", "chosen"), [(3, 9, [0, 3, 6]), (2, 5, [0, 2]), (5, 2, [0, 1])])
def test_they_lie_evenly_among_all(some: int, number: int, chosen: list[int]) -> None:
    assert spread(some, number).tolist() == chosen


def test_of_images_in_the_order_of_their_classes_all_classes_are_there() -> None:
    labels = np.repeat(range(10), 1000)
    assert np.bincount(labels[spread(2000, len(labels))]).tolist() == [200] * 10
