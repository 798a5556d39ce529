"""Images of any size brought to one: square, whole, in their proportions."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

SMALLEST, LARGEST = 20, 64  # pixels a side: what `auto` enlarges to at least, and shrinks to at most


def common_side(shapes: Iterable[tuple[int, int]]) -> int:
    """Choose pixels a side for images of such heights and widths: the longest side that there is.

    Longer than 64, it is 64: a network's work grows with the square. Shorter than 20, it is the first multiple that is
    not: networks that pool need room, and a shift by a pixel is much of a small image.
    """
    longest = max(max(shape) for shape in shapes)
    return min(longest * -(-SMALLEST // longest) if longest < SMALLEST else longest, LARGEST)


def fitted_shape(height: int, width: int, side: int, *, enlarge: bool) -> tuple[int, int]:
    """Give height and width of an image within a square of `side`."""
    factor = side / max(height, width)
    if factor >= 1 and not enlarge:
        return height, width
    return max(1, round(height * factor)), max(1, round(width * factor))


def fit_image(image: Image.Image, side: int, *, enlarge: bool) -> np.ndarray:
    """Bring a grey image into the middle of a black square; an odd pixel goes below and to the right."""
    height, width = fitted_shape(image.height, image.width, side, enlarge=enlarge)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)  # shrinking, it takes the mean of an area
    top, left = (side - height) // 2, (side - width) // 2
    canvas = np.zeros((side, side), np.uint8)
    canvas[top : top + height, left : left + width] = np.asarray(image)
    return canvas


def fit_images(images: np.ndarray, side: int, *, enlarge: bool) -> np.ndarray:
    """Bring uint8 images of N x H x W to N x side x side."""
    count, height, width = images.shape
    result = np.zeros((count, side, side), np.uint8)
    if fitted_shape(height, width, side, enlarge=enlarge) == (height, width):
        top, left = (side - height) // 2, (side - width) // 2
        result[:, top : top + height, left : left + width] = images
        return result
    for number, image in enumerate(images):
        result[number] = fit_image(Image.fromarray(image), side, enlarge=enlarge)
    return result
