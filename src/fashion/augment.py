"""Fixed copies of a training set: original, flip, zoom and flipped zoom of each image."""

import numpy as np
import scipy.ndimage

COPIES = 4
SMALLEST_CROP = 8  # pixels a side that a zoom must keep


def augment(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Give 4 copies of each image, kept together: original, flip, zoom, flipped zoom.

    images: uint8 of N x H x W. Returns uint8 of 4N x H x W. ValueError when the crop leaves under 8 pixels.
    """
    count, height, width = images.shape
    zoomed = zoom(images, crop=crop)
    copies = np.empty((count, COPIES, height, width), dtype=images.dtype)
    copies[:, 0] = images
    copies[:, 1] = images[:, :, ::-1]
    copies[:, 2] = zoomed
    copies[:, 3] = zoomed[:, :, ::-1]
    return copies.reshape(-1, height, width)


def zoom(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Cut `crop` pixels off each side and blow the rest up to size by nearest neighbour.

    Equal to `scipy.ndimage.zoom(order=0)` of each cropped image. ValueError when the crop leaves under 8 pixels.
    """
    size = images.shape[-1]
    if size - 2 * crop < SMALLEST_CROP:
        raise ValueError(
            f"augment.crop: {crop} leaves {max(size - 2 * crop, 0)} of {size} pixels a side; "
            f"at most {(size - SMALLEST_CROP) // 2} may be cut off"
        )
    sources = nearest(size - 2 * crop, size)
    beyond = sources < 0
    rows = crop + np.where(beyond, 0, sources)
    zoomed = images[:, rows[:, None], rows]
    zoomed[:, beyond] = 0
    zoomed[:, :, beyond] = 0
    return zoomed


def nearest(source: int, target: int) -> np.ndarray:
    """Give, for each of `target` pixels along a side, which of `source` pixels SciPy takes, or -1 for none.

    SciPy is asked on a row of positions: for some sizes (36 with a crop of 3, say) its arithmetic puts the last pixel a
    hair beyond the image and fills it with 0, and no formula of ours would say for which.
    """
    positions = np.arange(1, source + 1)
    return scipy.ndimage.zoom(positions, target / source, order=0) - 1
