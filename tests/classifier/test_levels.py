import tracemalloc

import numpy as np
import pytest

from fashion.classifier.levels import count_levels, mean_and_std
from small import colour_tiles


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2500])
def test_mean_and_standard_deviation_of_each_channel_are_those_of_numpy(count: int, images: np.ndarray) -> None:
    tiles = colour_tiles(16, 20)[0]
    for many in (np.resize(images, (count, 1, 28, 28)), np.resize(tiles, (count, 3, 16, 20)), tiles[:9, :, ::2, ::-1]):
        mean, std = mean_and_std(many)
        np.testing.assert_allclose(mean, many.mean((0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(std, many.std((0, 2, 3)), rtol=1e-12)


def test_all_pixels_of_each_level_are_counted(images: np.ndarray) -> None:
    assert count_levels(images)[0].tolist() == [int((images == level).sum()) for level in range(256)]


@pytest.mark.parametrize(("count", "side"), [(20_000, 28), (300, 213)])
def test_levels_are_counted_without_eight_bytes_for_each_pixel(count: int, side: int) -> None:
    many = np.resize(colour_tiles(side, side)[0][:, :1], (count, 1, side, side))
    tracemalloc.start()
    try:
        mean_and_std(many)
        assert tracemalloc.get_traced_memory()[1] < many.nbytes
    finally:
        tracemalloc.stop()
