"""Find images that are nearly the same: saved again, resized, brighter or darker."""

import numpy as np

from fashion.images.groups import NO_PAIRS, join_groups

SIDE = 16  # pixels of the small images that are compared
BLOCK = 2000  # images that are compared with all earlier ones at a time: 480 MB for 60,000 images

# Nineteen of twenty emoji, digits and images of Fashion-MNIST that are saved as JPEG of quality 60 correlate more with
# their originals, and half of them made brighter by 15%; of 20,000 other images of Fashion-MNIST 0.7% do with another
# one, most of which are the same photograph.
NEAR = 0.995


def near_copies(images: np.ndarray, *, least: float = NEAR) -> tuple[np.ndarray, np.ndarray]:
    """Find pairs of images whose small versions correlate: indices of M x 2, the lower first, and M correlations.

    Each image is paired with the most similar earlier one, and with a few others, so that the pairs join the same
    images as all pairs would: 1,000 frames of a still scene have 999 pairs, not half a million.

    images: uint8 of N x C x H x W. least: correlation; 1 finds none. It is over all pixels and channels, without the
    mean of the image, and so does not depend on brightness and contrast. Images of a single level are left out. Takes
    some 20 s for 60,000.
    """
    small = small_images(images)
    norms = np.linalg.norm(small, axis=1)
    kept = np.flatnonzero(norms > 0.5 * small.shape[1] ** 0.5)  # a standard deviation of half a level
    small = small[kept] / norms[kept, None]
    pairs, correlations = NO_PAIRS, np.empty(0, np.float32)
    groups = np.arange(len(small))
    for start in range(0, len(small) if least < 1 else 0, BLOCK):
        stop = min(start + BLOCK, len(small))
        rows = np.arange(start, stop)
        products = np.tril(small[start:stop] @ small[:stop].T, k=start - 1)  # 0 for itself and later images
        while True:
            best = products.argmax(1)
            highest = products[rows - start, best]
            found = highest >= least
            if not found.any():
                break
            pairs = np.concatenate([pairs, np.stack([best, rows], axis=1)[found]])
            correlations = np.concatenate([correlations, highest[found]])
            groups = join_groups(groups, pairs=pairs)
            products[groups[start:stop, None] == groups[:stop]] = 0
    return kept[pairs], correlations


def small_images(images: np.ndarray) -> np.ndarray:
    """Average images down to `SIDE` pixels a side, and subtract the mean of each: float32 of N x values."""
    rows, columns = (averaging(length) for length in images.shape[2:])
    small = np.empty((len(images), images.shape[1] * SIDE**2), np.float32)
    for start in range(0, len(images), BLOCK):
        part = images[start : start + BLOCK].astype(np.float32)
        small[start : start + BLOCK] = (rows @ part @ columns.T).reshape(len(part), -1)
    return small - small.mean(1, keepdims=True)


def averaging(length: int) -> np.ndarray:
    """Make the matrix, `SIDE` x length, that averages over equal parts of a side."""
    edges = np.linspace(0, length, SIDE + 1)
    pixels = np.arange(length)
    overlap = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    weights = np.clip(overlap, 0, None)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
