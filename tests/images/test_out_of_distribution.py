import numpy as np
import pytest

from fashion.images.out_of_distribution import PER_KIND, ood_images


@pytest.mark.parametrize("side", [20, 28, 300])
def test_out_of_distribution_images_have_the_side_asked_for_and_differ(side: int) -> None:
    kinds = ood_images(side)
    assert list(kinds) == ["digits", "letters", "photographs", "noise"]
    for images in kinds.values():
        assert (images.shape, images.dtype) == ((PER_KIND, side, side), np.uint8)
        assert len({image.tobytes() for image in images}) > PER_KIND * 0.95


def test_out_of_distribution_images_are_the_same_each_time() -> None:
    first, second = ood_images(28), ood_images(28)
    assert all(np.array_equal(first[kind], second[kind]) for kind in first)
