"""Find images that are probably no good examples: blank, dark, bright, blurred, of an odd shape, or small."""

from collections.abc import Iterator, Sequence

import numpy as np

BLANK = 8  # levels between the darkest and the brightest pixels of a blank image
DARK, BRIGHT = 32, 223  # levels that all but a hundredth of the pixels of a dark image are below, of a bright one above
DEVIATIONS = 5.0  # below the median, on a logarithmic scale, from which an image is blurred beside the others
ODD_SHAPE = 2.0  # ratio of the proportions of an image to the median
SMALL = 4.0  # ratio of the median of the longer sides to that of a small image
CHUNK = 1000


def find_faults(images: np.ndarray, sizes: Sequence[tuple[int, int]]) -> list[tuple[int, str]]:
    """List indices of images, each with what is wrong with it, in the order of the images.

    images: uint8 of N x C x H x W. sizes: height and width of each as it came, in pixels.
    """
    problems = [*brightness_faults(images), *blurred(images), *size_faults(sizes)]
    return sorted(problems, key=lambda problem: problem[0])


def brightness_faults(images: np.ndarray) -> Iterator[tuple[int, str]]:
    """Find images that are blank, or nearly black or white as a whole."""
    for start in range(0, len(images), CHUNK):
        levels = images[start : start + CHUNK].mean(1).reshape(len(images[start : start + CHUNK]), -1)
        low, high = np.percentile(levels, (1, 99), axis=1)
        for index in np.flatnonzero((high - low < BLANK) | (high < DARK) | (low > BRIGHT)):
            problem = "blank" if high[index] - low[index] < BLANK else "dark" if high[index] < DARK else "bright"
            yield start + int(index), problem


def blurred(images: np.ndarray) -> Iterator[tuple[int, str]]:
    """Find images that are blurred beside the others."""
    values = np.log(np.maximum(sharpness(images), 1e-9))
    known = values[values > np.log(1e-8)]
    if len(known) < 2:
        return
    median = np.median(known)
    deviation = 1.4826 * np.median(abs(known - median))  # the standard deviation, if they were normally distributed
    for index in np.flatnonzero((values > np.log(1e-8)) & (values < median - DEVIATIONS * max(deviation, 0.1))):
        yield int(index), "blurred"


def sharpness(images: np.ndarray) -> np.ndarray:
    """Compute the energy of each image's second differences relative to its variance: N; 0 for a blank image."""
    parts = []
    for start in range(0, len(images), CHUNK):
        levels = images[start : start + CHUNK].mean(1)
        middle = levels[:, 1:-1, 1:-1]
        edges = 4 * middle - levels[:, :-2, 1:-1] - levels[:, 2:, 1:-1] - levels[:, 1:-1, :-2] - levels[:, 1:-1, 2:]
        variance = levels.var((1, 2))
        parts.append(np.where(variance > 1, edges.var((1, 2)) / np.maximum(variance, 1), 0))
    return np.concatenate(parts)


def size_faults(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Find images of other proportions than most, and much smaller ones."""
    height, width = np.array(sizes, float).reshape(-1, 2).T
    if not len(height):
        return
    ratios, sides = height / width, np.maximum(height, width)
    relative = ratios / np.median(ratios)
    for index in np.flatnonzero(np.maximum(relative, 1 / relative) > ODD_SHAPE):
        yield int(index), "odd shape"
    for index in np.flatnonzero(sides * SMALL < np.median(sides)):
        yield int(index), "small"
