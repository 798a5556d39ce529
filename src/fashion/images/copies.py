"""Four fixed copies of each image: original, flip, zoom and flipped zoom."""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

MIN_SIDE = 8  # pixels of a cropped image


def augment(images: np.ndarray, *, crop: int, background: Sequence[int]) -> np.ndarray:
    """Give four copies of each image, one after the other: original, flip, zoom, flipped zoom.

    A zoom cuts `crop` pixels off each side, and enlarges the rest to the original size by nearest-neighbour
    interpolation; it is equal to `scipy.ndimage.zoom(order=0)` of each cropped image.

    images: uint8 of N x C x H x W. background: the level of each channel for pixels from outside an image.
    Returns uint8 of 4N x C x H x W. ValueError if fewer than `MIN_SIDE` pixels remain.
    """
    rows, columns = (zoom_indices(length, crop=crop) for length in images.shape[2:])
    zoomed = images.take(rows, 2).take(columns, 3)  # three times as fast as one index for both
    for channel, level in enumerate(background):
        zoomed[:, channel, rows < 0] = zoomed[:, channel, :, columns < 0] = level
    copies = np.stack([images, images[..., ::-1], zoomed, zoomed[..., ::-1]], axis=1)
    return copies.reshape(-1, *images.shape[1:])


def zoom_indices(size: int, *, crop: int) -> np.ndarray:
    """Give the index of the original pixel for each pixel along a side of a zoomed image; -1 for a pixel outside it.

    ValueError if fewer than `MIN_SIDE` pixels remain.
    """
    if size - 2 * crop < MIN_SIDE:
        raise ValueError(
            f"augment.crop: {crop} leaves {max(size - 2 * crop, 0)} of {size} pixels a side; "
            f"at most {(size - MIN_SIDE) // 2} may be cut off"
        )
    indices = nearest_indices(size - 2 * crop, size)
    return np.where(indices >= 0, crop + indices, -1)


def nearest_indices(source: int, target: int) -> np.ndarray:
    """Give the index among `source` pixels that SciPy takes for each of `target` pixels along a side; -1 for none.

    SciPy zooms a row of pixel numbers, since no formula gives its rounding errors: for some sizes (36 with a crop of 3,
    for example) it computes a position just outside the image for the last pixel, and fills it with 0.
    """
    numbers = np.arange(1, source + 1)
    return scipy.ndimage.zoom(numbers, target / source, order=0) - 1
