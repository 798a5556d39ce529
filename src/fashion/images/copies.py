"""Fixed copies of a training set: original, flip, zoom and flipped zoom of each image."""

import numpy as np
import scipy.ndimage

COPIES = 4
SMALLEST_CROP = 8  # pixels a side that a zoom must keep


def augment(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Give 4 copies of each image, kept together: original, flip, zoom, flipped zoom.

    A zoom cuts `crop` pixels off each side and blows the rest up to size by nearest neighbour, equal to
    `scipy.ndimage.zoom(order=0)` of each cropped image.

    images: uint8 of N x H x W. Returns uint8 of 4N x H x W. ValueError when the crop leaves under 8 pixels.
    """
    sources = zoom_sources(images.shape[-1], crop=crop)
    zoomed = images[:, sources[:, None], sources]
    zoomed[:, sources < 0] = zoomed[:, :, sources < 0] = 0
    copies = np.stack([images, images[:, :, ::-1], zoomed, zoomed[:, :, ::-1]], axis=1)
    return copies.reshape(-1, *images.shape[1:])


def zoom_sources(size: int, *, crop: int) -> np.ndarray:
    """Give, for each pixel along a side of a zoomed image, the number of the pixel it is taken from, or -1 for none.

    ValueError when the crop leaves under 8 pixels.
    """
    if size - 2 * crop < SMALLEST_CROP:
        raise ValueError(
            f"augment.crop: {crop} leaves {max(size - 2 * crop, 0)} of {size} pixels a side; "
            f"at most {(size - SMALLEST_CROP) // 2} may be cut off"
        )
    sources = nearest(size - 2 * crop, size)
    return np.where(sources >= 0, crop + sources, -1)


def nearest(source: int, target: int) -> np.ndarray:
    """Give, for each of `target` pixels along a side, which of `source` pixels SciPy takes, or -1 for none.

    SciPy is asked on a row of positions: for some sizes (36 with a crop of 3, say) its arithmetic puts the last pixel a
    hair beyond the image and fills it with 0, and no formula of ours would say for which.
    """
    positions = np.arange(1, source + 1)
    return scipy.ndimage.zoom(positions, target / source, order=0) - 1
