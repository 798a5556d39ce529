from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fashion.images.quality import find_faults
from small import colour_tiles

SIZES = [(28, 28)] * 400


def blur(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image[0]).filter(ImageFilter.GaussianBlur(3)))[None]


@pytest.mark.parametrize(
    ("problem", "change"),
    [
        ("blank", lambda image: np.full_like(image, 90)),
        ("dark", lambda image: image // 9),
        ("bright", lambda image: 255 - image // 9),
        ("blurred", blur),
    ],
)
def test_a_faulty_image_is_found_and_no_other(
    images: np.ndarray, problem: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert find_faults(images, SIZES) == []
    faulty = images.copy()
    for index in (7, 200):
        faulty[index] = change(images[index])
    assert (7, problem) in find_faults(faulty, SIZES)
    assert {index for index, _ in find_faults(faulty, SIZES)} == {7, 200}


def test_images_of_another_shape_or_much_smaller_ones_are_found(images: np.ndarray) -> None:
    sizes = [(60, 60)] * 398 + [(20, 60), (14, 14)]
    assert find_faults(images, sizes) == [(398, "odd shape"), (399, "small")]


def test_photographs_on_white_are_no_faults() -> None:
    tiles, _ = colour_tiles(60, 60)
    tiles = tiles[tiles.std((1, 2, 3)) > 30]  # without sky
    assert len(tiles) > 30
    on_white = np.pad(tiles, ((0, 0), (0, 0), (30, 30), (30, 30)), constant_values=250)
    assert find_faults(on_white, [(120, 120)] * len(tiles)) == []
