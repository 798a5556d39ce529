"""Prepare stored images for a network: crop or resize them to its input size, and scale the pixels."""

from typing import Annotated, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from fashion.classifier.levels import mean_and_std
from fashion.settings.fields import PositiveFloat, Scaling, Size, Strict
from fashion.settings.frame import Frame

Pixels = TypeVar("Pixels", Tensor, np.ndarray)
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class Preparation(Strict):
    """Crop images to the middle `size`, subtract `mean`, and divide by `std`, both in levels of 0 to 255 by channel.

    size: height and width, in pixels. content_size: if given, crop to this size instead, and resize to `size`.
    """

    size: Size
    mean: list[FiniteFloat]
    std: list[PositiveFloat]
    content_size: Size | None = None

    @model_validator(mode="after")
    def check_channels(self) -> Self:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} standard deviations; expected one a channel")
        return self

    @classmethod
    def of(cls, train_images: np.ndarray, frame: Frame, *, size: list[int], scaling: Scaling, fill: bool) -> Self:
        """Make the preparation for training images, uint8 of N x C x H x W; `standard` takes their mean and std.

        Only margin is cropped. fill: whether to crop all margin, except that of long strips: see `Frame.input_part`.
        """
        content, stored = [*frame.input_part()], [frame.height, frame.width]
        fits = content == size if fill else all(a <= b <= c for a, b, c in zip(content, size, stored, strict=True))
        content_size = None if fits else content
        if scaling == "standard":
            mean, std = mean_and_std(crop(train_images, content_size or size))
            std = [value or 1.0 for value in std]  # 0 if all pixels are equal: nothing can be learned from such images
        else:
            mean, std = [0.0] * frame.channels, [255.0 if scaling == "unit" else 1.0] * frame.channels
        return cls(size=size, mean=mean, std=std, content_size=content_size)

    def __call__(self, images: Tensor) -> Tensor:
        """Prepare uint8 images of N x C x H x W: float32 of N x C x height x width."""
        images = self.resized(images)
        for plane, mean, std in zip(images.split(1, dim=1), self.mean, self.std, strict=True):
            plane.sub_(mean).div_(std)  # in place: a copy of all images takes longer
        return images

    def resized(self, images: Tensor) -> Tensor:
        """Crop and resize uint8 images, without scaling: float32 of N x C x height x width."""
        images = crop(images, self.content_size or self.size).float()
        if self.content_size:
            images = interpolate(images, tuple(self.size), mode="bilinear", antialias=True)
        return images


def crop(images: Pixels, size: list[int]) -> Pixels:
    """Crop images of N x C x H x W to their middle `size`, height and width."""
    top, left = ((stored - length) // 2 for stored, length in zip(images.shape[2:], size, strict=True))
    return images[:, :, top : top + size[0], left : left + size[1]]
