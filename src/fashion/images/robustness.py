"""Images as they may come from elsewhere: a little moved, turned, noisy or flat."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.ndimage

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]  # images, how much, what chance decides


def shift(images: np.ndarray, pixels: float, random: np.random.Generator) -> np.ndarray:
    """Move each image left, right, up or down; black comes in."""
    return in_groups(images, random, 4, lambda group, way: move(group, int(pixels), axis=1 + way % 2, back=way > 1))


def move(images: np.ndarray, pixels: int, *, axis: int, back: bool) -> np.ndarray:
    return scipy.ndimage.shift(images, np.eye(3)[axis] * (-pixels if back else pixels), order=0)


def rotate(images: np.ndarray, degrees: float, random: np.random.Generator) -> np.ndarray:
    """Turn each image about its middle, one way or the other, with linear interpolation."""
    return in_groups(
        images,
        random,
        2,
        lambda group, way: scipy.ndimage.rotate(
            group, -degrees if way else degrees, axes=(2, 1), reshape=False, order=1
        ),
    )


def noise(images: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of so many grey levels of 255."""
    noisy = images + random.normal(0, deviation, images.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def contrast(images: np.ndarray, factor: float, _: np.random.Generator) -> np.ndarray:
    """Draw the pixels of each image towards its mean."""
    means = images.mean((1, 2), keepdims=True)
    return (means + factor * (images - means)).round().clip(0, 255).astype(np.uint8)


CHANGES: dict[str, tuple[Change, dict[str, float]]] = {
    "shift": (shift, {"1 pixel": 1, "2 pixels": 2, "4 pixels": 4}),
    "rotation": (rotate, {"5 degrees": 5, "15 degrees": 15, "30 degrees": 30}),
    "noise": (noise, {"10 grey levels": 10, "25 grey levels": 25, "50 grey levels": 50}),
    "contrast": (contrast, {"75%": 0.75, "50%": 0.5, "25%": 0.25}),
}


def changed(images: np.ndarray, *, seed: int = 0) -> Iterator[tuple[str, str, np.ndarray]]:
    """Give for each change its name, its amount, and all images with it: uint8 of N x H x W, as `images`."""
    for name, (change, amounts) in CHANGES.items():
        for amount, strength in amounts.items():
            yield name, amount, change(images, strength, np.random.default_rng(seed))


def in_groups(
    images: np.ndarray, random: np.random.Generator, ways: int, change: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """Change each image in one of so many ways, drawn for each."""
    drawn = random.integers(ways, size=len(images))
    result = np.empty_like(images)
    for way in range(ways):
        result[drawn == way] = change(images[drawn == way], way)
    return result
