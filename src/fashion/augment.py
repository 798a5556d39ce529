"""Fixed copies of a training set: original, flip, zoom and flipped zoom of each image."""

import numpy as np
import scipy.ndimage

COPIES = 4
SMALLEST_CROP = 8  # pixels a side that a zoom must keep


def augment(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Give 4 copies of each image, kept together: original, flip, zoom, flipped zoom.

    images: uint8 of N x H x W. Returns uint8 of 4N x H x W. ValueError when the crop leaves under 8 pixels.
    """
    size = images.shape[-1]
    pixels = np.arange(size**2).reshape(size, size)
    zoomed = zoom_sources(size, crop=crop)
    return gather(images, np.stack([pixels, pixels[:, ::-1], zoomed, zoomed[:, ::-1]])).reshape(-1, size, size)


def zoom(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Cut `crop` pixels off each side and blow the rest up to size by nearest neighbour.

    Equal to `scipy.ndimage.zoom(order=0)` of each cropped image. ValueError when the crop leaves under 8 pixels.
    """
    return gather(images, zoom_sources(images.shape[-1], crop=crop))


def zoom_sources(size: int, *, crop: int) -> np.ndarray:
    """Give, for each pixel of a zoomed image of size x size, the number of the pixel it is taken from, or -1 for none.

    ValueError when the crop leaves under 8 pixels.
    """
    if size - 2 * crop < SMALLEST_CROP:
        raise ValueError(
            f"augment.crop: {crop} leaves {max(size - 2 * crop, 0)} of {size} pixels a side; "
            f"at most {(size - SMALLEST_CROP) // 2} may be cut off"
        )
    sources = nearest(size - 2 * crop, size)
    rows = crop + sources
    there = sources >= 0
    return np.where(there[:, None] & there, rows[:, None] * size + rows, -1)


def gather(images: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Put images together from pixels of their own, by number; 0 where a source is -1. N x the shape of `sources`.

    One gather for all copies: bytes go straight to their places.
    """
    gathered = np.take(images.reshape(len(images), -1), sources, axis=1, mode="wrap")
    if (sources < 0).any():
        gathered[:, sources < 0] = 0
    return gathered


def nearest(source: int, target: int) -> np.ndarray:
    """Give, for each of `target` pixels along a side, which of `source` pixels SciPy takes, or -1 for none.

    SciPy is asked on a row of positions: for some sizes (36 with a crop of 3, say) its arithmetic puts the last pixel a
    hair beyond the image and fills it with 0, and no formula of ours would say for which.
    """
    positions = np.arange(1, source + 1)
    return scipy.ndimage.zoom(positions, target / source, order=0) - 1
