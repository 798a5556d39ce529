import numpy as np
import pytest

from fashion.images.out_of_distribution import SOME, strangers


@pytest.mark.parametrize("side", [20, 28, 300])
def test_they_are_as_large_as_asked_and_differ(side: int) -> None:
    kinds = strangers(side)
    assert list(kinds) == ["digits", "letters", "photographs", "noise"]
    for images in kinds.values():
        assert (images.shape, images.dtype) == ((SOME, side, side), np.uint8)
        assert len({image.tobytes() for image in images}) > SOME * 0.95


def test_they_are_the_same_each_time() -> None:
    first, second = strangers(28), strangers(28)
    assert all(np.array_equal(first[kind], second[kind]) for kind in first)
