"""Choose some of many images, for what would take too long with all of them."""

import numpy as np
import pytest

from stages.models.evaluate import evenly_spaced


@pytest.mark.parametrize(("count", "total", "expected"), [(3, 9, [0, 3, 6]), (2, 5, [0, 2]), (5, 2, [0, 1])])
def test_chosen_images_are_evenly_spaced(count: int, total: int, expected: list[int]) -> None:
    assert evenly_spaced(count, total).tolist() == expected


def test_images_sorted_by_class_are_chosen_from_all_classes() -> None:
    labels = np.repeat(range(10), 1000)
    assert np.bincount(labels[evenly_spaced(2000, len(labels))]).tolist() == [200] * 10
