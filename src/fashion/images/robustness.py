"""Corrupt test images, to measure the robustness of a model: shift, rotation, noise, contrast."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.ndimage

Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]  # (images, strength, rng) -> images


def shift(images: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Shift each image left, right, up or down, at random; new pixels are black."""

    def shift_towards(images: np.ndarray, direction: int) -> np.ndarray:
        axis, sign = 1 + direction % 2, -1 if direction > 1 else 1
        return scipy.ndimage.shift(images, np.eye(3)[axis] * sign * int(pixels), order=0)

    return apply_at_random(shift_towards, images, rng, num_choices=4)


def rotate(images: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate each image about its centre, clockwise or counterclockwise at random, with linear interpolation."""

    def rotate_towards(images: np.ndarray, direction: int) -> np.ndarray:
        angle = -degrees if direction else degrees
        return scipy.ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=1)

    return apply_at_random(rotate_towards, images, rng, num_choices=2)


def noise(images: np.ndarray, std: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation in grey levels of 255."""
    noisy = images + rng.normal(0, std, images.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def contrast(images: np.ndarray, factor: float, _: np.random.Generator) -> np.ndarray:
    """Multiply the distances of pixels to their image's mean by `factor`."""
    means = images.mean((1, 2), keepdims=True)
    return (means + factor * (images - means)).round().clip(0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, tuple[Corruption, dict[str, float]]] = {
    "shift": (shift, {"1 pixel": 1, "2 pixels": 2, "4 pixels": 4}),
    "rotation": (rotate, {"5 degrees": 5, "15 degrees": 15, "30 degrees": 30}),
    "noise": (noise, {"10 grey levels": 10, "25 grey levels": 25, "50 grey levels": 50}),
    "contrast": (contrast, {"75%": 0.75, "50%": 0.5, "25%": 0.25}),
}


def corrupted_images(images: np.ndarray, *, seed: int = 0) -> Iterator[tuple[str, str, np.ndarray]]:
    """Give the name and the amount of each corruption, and all images with it: uint8 of N x H x W, like `images`."""
    for name, (corruption, amounts) in CORRUPTIONS.items():
        for amount, strength in amounts.items():
            yield name, amount, corruption(images, strength, np.random.default_rng(seed))


def apply_at_random(
    change: Callable[[np.ndarray, int], np.ndarray], images: np.ndarray, rng: np.random.Generator, *, num_choices: int
) -> np.ndarray:
    """Call `change(images, choice)` on each image, with a random choice from 0 to `num_choices` - 1."""
    choices = rng.integers(num_choices, size=len(images))
    result = np.empty_like(images)
    for choice in range(num_choices):
        result[choices == choice] = change(images[choices == choice], choice)
    return result
