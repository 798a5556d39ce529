"""Resize images of any size to one square size, keeping their proportions and padding the rest with black."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from fashion.settings.image_size import MAX_SIDE, enlarged_side


def choose_side(shapes: Iterable[tuple[int, int]]) -> int:
    """Choose the side, in pixels, for images of these heights and widths: the longest side of all, within limits.

    At most `MAX_SIDE`. A side below `MIN_SIDE` is multiplied by the smallest whole number that reaches it.
    """
    return min(enlarged_side(max(max(shape) for shape in shapes)), MAX_SIDE)


def resized_shape(height: int, width: int, side: int, *, enlarge: bool) -> tuple[int, int]:
    """Give the height and width of an image that is resized to fit a square of `side` pixels.

    >>> resized_shape(100, 50, 28, enlarge=False)
    (28, 14)
    """
    factor = side / max(height, width)
    if factor >= 1 and not enlarge:
        return height, width
    return max(1, round(height * factor)), max(1, round(width * factor))


def resize_and_pad(image: Image.Image, side: int, *, enlarge: bool) -> np.ndarray:
    """Resize a grey image and centre it on a black square; with an odd margin, the extra pixel is below or right."""
    height, width = resized_shape(image.height, image.width, side, enlarge=enlarge)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)  # when it shrinks, Pillow averages areas
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + height, left : left + width] = np.asarray(image)
    return square


def resize_and_pad_all(images: np.ndarray, side: int, *, enlarge: bool) -> np.ndarray:
    """Resize and pad uint8 images of N x H x W to N x side x side."""
    count, height, width = images.shape
    result = np.zeros((count, side, side), np.uint8)
    if resized_shape(height, width, side, enlarge=enlarge) == (height, width):
        top, left = (side - height) // 2, (side - width) // 2
        result[:, top : top + height, left : left + width] = images
        return result
    for index, image in enumerate(images):
        result[index] = resize_and_pad(Image.fromarray(image), side, enlarge=enlarge)
    return result
