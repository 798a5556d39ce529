"""Prepare stored images for a network: crop or resize them to its input size, and scale the pixels."""

from typing import Annotated, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from fashion.settings.fields import PositiveFloat, Scaling, Side, Strict

Pixels = TypeVar("Pixels", Tensor, np.ndarray)


class Frame(Strict):
    """The square that images are resized and padded to, before they are prepared for a network.

    side: in pixels. content_side: side of the middle part that images may fill, in pixels; the rest is a black margin.
    enlarge: whether smaller images are enlarged to fill that part.
    """

    side: Side
    content_side: Side = Field(validation_alias="content", serialization_alias="content")  # the key in model files
    enlarge: bool

    @model_validator(mode="after")
    def check_content_fits(self) -> Self:
        if self.content_side > self.side:
            raise ValueError(f"content of {self.content_side} pixels does not fit a side of {self.side}")
        return self

    def margin(self) -> tuple[int, int]:
        """Compute the width of the margin before the content (left and above) and after it, in pixels."""
        before = (self.side - self.content_side) // 2
        return before, self.side - self.content_side - before

    def centred(self, images: np.ndarray) -> np.ndarray:
        """Pad uint8 images of N x content_side x content_side with the margin, to N x side x side."""
        return np.pad(images, ((0, 0), self.margin(), self.margin()))


class Preparation(Strict):
    """Crop images to the middle `size` pixels, subtract `mean`, and divide by `std` (both in grey levels of 0 to 255).

    content_side: if given, crop to this side instead, in pixels, and resize to `size`.
    """

    size: Side
    mean: Annotated[float, Field(allow_inf_nan=False)]
    std: PositiveFloat
    content_side: Side | None = Field(None, validation_alias="content", serialization_alias="content")

    @classmethod
    def of(
        cls,
        train_images: np.ndarray,
        *,
        size: int,
        scaling: Scaling,
        content_side: int | None = None,
        fill: bool = False,
    ) -> Self:
        """Make the preparation for training images, uint8 of N x H x W; `standard` scaling takes their mean and std.

        content_side: side of the images without their black margin, in pixels; that of the stored images if None. Only
        margin is cropped. fill: whether to crop all margin.
        """
        stored_side = train_images.shape[-1]
        content_side = content_side or stored_side
        fits = content_side == size if fill else content_side <= size <= stored_side
        resized_side = None if fits else content_side
        if scaling == "pixels":
            return cls(size=size, mean=0.0, std=1.0, content_side=resized_side)
        if scaling == "unit":
            return cls(size=size, mean=0.0, std=255.0, content_side=resized_side)
        cropped = crop(train_images, resized_side or size)
        std = float(cropped.std()) or 1.0  # 0 if all pixels are equal: nothing can be learned from such images
        return cls(size=size, mean=float(cropped.mean()), std=std, content_side=resized_side)

    def __call__(self, images: Tensor) -> Tensor:
        """Prepare uint8 images of N x H x W: float32 of N x 1 x size x size."""
        images = crop(images, self.content_side or self.size).unsqueeze(1).float()
        if self.content_side:
            images = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        return images.sub_(self.mean).div_(self.std)


def crop(images: Pixels, size: int) -> Pixels:
    """Crop images of N x H x W to their middle `size` x `size` pixels."""
    margin = (images.shape[-1] - size) // 2
    return images[:, margin : margin + size, margin : margin + size]
