"""From stored pixels to what a network sees: cropped to its size and scaled."""

from typing import Self, TypeVar

import numpy as np
from torch import Tensor

from fashion.settings.fields import Count, Scaling, Strict

Pixels = TypeVar("Pixels", Tensor, np.ndarray)


class Preparation(Strict):
    """Crop to the middle `size` pixels, subtract `mean`, divide by `std` (both in grey levels 0-255)."""

    size: Count
    mean: float
    std: float

    @classmethod
    def of(cls, train_images: np.ndarray, *, size: int, scaling: Scaling) -> Self:
        """Measure what the scaling needs on the training images, uint8 of N x H x W."""
        stored = train_images.shape[-1]
        if size > stored:
            raise ValueError(f"input.size: {size} is more than the stored {stored} pixels a side")
        if scaling == "pixels":
            return cls(size=size, mean=0.0, std=1.0)
        if scaling == "unit":
            return cls(size=size, mean=0.0, std=255.0)
        cropped = crop(train_images, size)
        return cls(size=size, mean=float(cropped.mean()), std=float(cropped.std()))

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 images of N x H x W into floats of N x 1 x size x size."""
        return crop(images, self.size).unsqueeze(1).float().sub_(self.mean).div_(self.std)


def crop(images: Pixels, size: int) -> Pixels:
    """Keep the middle `size` x `size` of images N x H x W."""
    margin = (images.shape[-1] - size) // 2
    return images[:, margin : margin + size, margin : margin + size]
