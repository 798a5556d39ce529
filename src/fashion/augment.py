"""Fixed copies of a training set: original, flip, zoom and flipped zoom of each image."""

import numpy as np
import scipy.ndimage
from numba import njit

COPIES = 4
SMALLEST_CROP = 8  # pixels a side that a zoom must keep
WORD = 8  # neighbouring pixels that are copied at a time


def augment(images: np.ndarray, *, crop: int) -> np.ndarray:
    """Give 4 copies of each image, kept together: original, flip, zoom, flipped zoom.

    A zoom cuts `crop` pixels off each side and blows the rest up to size by nearest neighbour, equal to
    `scipy.ndimage.zoom(order=0)` of each cropped image.

    images: uint8 of N x H x W. Returns uint8 of 4N x H x W. ValueError when the crop leaves under 8 pixels.
    """
    size = images.shape[-1]
    sources = zoom_sources(size, crop=crop)
    copies = np.empty((len(images) * COPIES, size, size), np.uint8)
    fill(np.ascontiguousarray(images).reshape(-1), sources, copies.reshape(-1))
    return copies


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


@njit(cache=True)
def fill(images: np.ndarray, sources: np.ndarray, copies: np.ndarray) -> None:
    """Write the four copies of each image, all as rows of pixels.

    A row of a zoom is runs of neighbours, the last pixel of each taken twice. Eight pixels are copied at a time, also
    where the run is shorter: what is too much is written over by the next one, or is beyond the end.

    Indices are unsigned so that no loop asks whether they count from the end, which would keep it from being
    vectorised.
    """
    size = len(sources)
    pixels, last = size**2, size - 1
    held, missing = np.maximum(sources, 0), np.nonzero(sources < 0)[0]
    starts = [0]
    for column in range(1, size):
        if held[column] != held[column - 1] + 1 or column - starts[-1] == WORD:
            starts.append(column)
    targets = np.array(starts)
    begins = held[targets]
    # No more is read than there is, and where a start moves back, so does its place: the run is the whole row then.
    beyond = np.maximum(begins + WORD - size, 0) if held[0] == 0 else np.zeros_like(begins)
    targets, begins = targets - beyond, begins - beyond
    zoomed = np.empty(pixels + WORD, np.uint8)
    for image in range(images.size // pixels):
        start, original = image * pixels, COPIES * image * pixels
        flip, zoom, both = original + pixels, original + 2 * pixels, original + 3 * pixels
        for at in range(pixels):
            copies[np.uint64(original + at)] = images[np.uint64(start + at)]
        for row in range(size):
            for run in range(len(targets)):
                source = np.uint64(start + held[row] * size + begins[run])
                target = np.uint64(row * size + targets[run])
                eight = (
                    images[source],
                    images[source + np.uint64(1)],
                    images[source + np.uint64(2)],
                    images[source + np.uint64(3)],
                    images[source + np.uint64(4)],
                    images[source + np.uint64(5)],
                    images[source + np.uint64(6)],
                    images[source + np.uint64(7)],
                )
                for at in range(WORD):
                    zoomed[target + np.uint64(at)] = eight[at]
        for line in missing:
            for at in range(size):
                zoomed[line * size + at] = zoomed[at * size + line] = 0
        for at in range(pixels):
            copies[np.uint64(zoom + at)] = zoomed[np.uint64(at)]
        for row in range(0, pixels, size):
            for at in range(size):
                copies[np.uint64(flip + row + at)] = images[np.uint64(start + row + last - at)]
            for at in range(size):
                copies[np.uint64(both + row + at)] = zoomed[np.uint64(row + last - at)]
