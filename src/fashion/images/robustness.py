"""Corrupt test images, to measure the robustness of a model: shift, rotation, noise, contrast."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.ndimage

PART_VALUES = 1_024_000  # levels of images that are changed at a time: 1,000 grey images of 32 x 32

Corruption = Callable[[np.ndarray, float, np.random.Generator, Sequence[int]], np.ndarray]
"""Corrupts images, N x C x H x W: (images, strength, rng, background) -> images."""


def shift(images: np.ndarray, pixels: float, rng: np.random.Generator, background: Sequence[int]) -> np.ndarray:
    """Shift each image left, right, up or down, at random."""

    def shift_towards(images: np.ndarray, direction: int, level: int) -> np.ndarray:
        axis, sign = 1 + direction % 2, -1 if direction > 1 else 1
        return scipy.ndimage.shift(images, np.eye(3)[axis] * sign * int(pixels), order=0, cval=level)

    return apply_at_random(shift_towards, images, rng, background, num_choices=4)


def rotate(images: np.ndarray, degrees: float, rng: np.random.Generator, background: Sequence[int]) -> np.ndarray:
    """Rotate each image about its centre, clockwise or counterclockwise at random, with linear interpolation."""

    def rotate_towards(images: np.ndarray, direction: int, level: int) -> np.ndarray:
        angle = -degrees if direction else degrees
        return scipy.ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=1, cval=level)

    return apply_at_random(rotate_towards, images, rng, background, num_choices=2)


def noise(images: np.ndarray, std: float, rng: np.random.Generator, _: Sequence[int]) -> np.ndarray:
    """Add Gaussian noise with a standard deviation in levels of 255."""
    return change_parts(lambda part: part + rng.normal(0, std, part.shape), images)


def contrast(images: np.ndarray, factor: float, _: np.random.Generator, __: Sequence[int]) -> np.ndarray:
    """Multiply the distances of pixels to their image's mean by `factor`."""

    def reduce(part: np.ndarray) -> np.ndarray:
        means = part.mean((1, 2, 3), keepdims=True)
        return means + factor * (part - means)

    return change_parts(reduce, images)


CORRUPTIONS: dict[str, tuple[Corruption, dict[str, float]]] = {
    "shift": (shift, {"1 pixel": 1, "2 pixels": 2, "4 pixels": 4}),
    "rotation": (rotate, {"5 degrees": 5, "15 degrees": 15, "30 degrees": 30}),
    "noise": (noise, {"10 grey levels": 10, "25 grey levels": 25, "50 grey levels": 50}),
    "contrast": (contrast, {"75%": 0.75, "50%": 0.5, "25%": 0.25}),
}


def corrupted_images(
    images: np.ndarray, background: Sequence[int], *, seed: int = 0
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Give the name and the amount of each corruption, and all images with it: uint8 of N x C x H x W, like `images`.

    background: the level of each channel for pixels that come from outside an image.
    """
    for name, (corruption, amounts) in CORRUPTIONS.items():
        for amount, strength in amounts.items():
            yield name, amount, corruption(images, strength, np.random.default_rng(seed), background)


def change_parts(change: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Call `change(part)` on some images at a time, since its floats take much memory; round the results to levels."""
    result, step = np.empty_like(images), max(PART_VALUES // math.prod(images.shape[1:]), 1)
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        result[part] = change(images[part]).round().clip(0, 255)
    return result


def apply_at_random(
    change: Callable[[np.ndarray, int, int], np.ndarray],
    images: np.ndarray,
    rng: np.random.Generator,
    background: Sequence[int],
    *,
    num_choices: int,
) -> np.ndarray:
    """Call `change(channel, choice, level)` on each channel, N x H x W, with a random choice for each image.

    level: of the channel's background.
    """
    choices = rng.integers(num_choices, size=len(images))
    result = np.empty_like(images)
    for choice in range(num_choices):
        for channel, level in enumerate(background):
            result[choices == choice, channel] = change(images[choices == choice, channel], choice, level)
    return result
