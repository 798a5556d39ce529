"""Count the levels of images without more than a byte for each pixel."""

import numpy as np

CHUNK = 1000  # images at a time: `bincount` needs eight bytes for each pixel


def count_levels(images: np.ndarray) -> np.ndarray:
    """Count the pixels of each level in uint8 images of N x C x H x W: C x 256."""
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), CHUNK):
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(images[start : start + CHUNK, channel].ravel(), minlength=256)
    return counts


def mean_and_std(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Compute the mean and the standard deviation of each channel of uint8 images of N x C x H x W."""
    counts, levels = count_levels(images), np.arange(256)
    sizes = counts.sum(1)
    means = counts @ levels / sizes
    variances = (counts * (levels - means[:, None]) ** 2).sum(1) / sizes
    return means.tolist(), np.sqrt(variances).tolist()
