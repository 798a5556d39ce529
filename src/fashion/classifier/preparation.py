"""From stored pixels to what a network sees: cropped or brought to its size, and scaled."""

from typing import Annotated, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from fashion.settings.fields import Positive, Scaling, Side, Strict

Pixels = TypeVar("Pixels", Tensor, np.ndarray)


class Frame(Strict):
    """The square that images are brought into before a network prepares them further.

    side: its pixels. content: those in its middle that images may fill; the rest is black margin. enlarge: whether
    smaller images are enlarged until they fill these.
    """

    side: Side
    content: Side
    enlarge: bool

    @model_validator(mode="after")
    def has_room(self) -> Self:
        if self.content > self.side:
            raise ValueError(f"content of {self.content} pixels does not fit a side of {self.side}")
        return self

    def margin(self) -> tuple[int, int]:
        """Give the pixels of margin before the content and after it."""
        before = (self.side - self.content) // 2
        return before, self.side - self.content - before

    def centred(self, images: np.ndarray) -> np.ndarray:
        """Put uint8 images of N x content x content into their margin: N x side x side."""
        return np.pad(images, ((0, 0), self.margin(), self.margin()))


class Preparation(Strict):
    """Crop to the middle `size` pixels, subtract `mean`, divide by `std` (both in grey levels 0-255).

    content: if given, crop to so many and shrink or enlarge these to `size`.
    """

    size: Side
    mean: Annotated[float, Field(allow_inf_nan=False)]
    std: Positive
    content: Side | None = None

    @classmethod
    def of(
        cls, train_images: np.ndarray, *, size: int, scaling: Scaling, content: int | None = None, fill: bool = False
    ) -> Self:
        """Measure what the scaling needs on the training images, uint8 of N x H x W.

        content: pixels a side beyond which images are black margin; all of them, if not given. Nothing of them is
        cropped off. fill: whether they are to be seen without any margin.
        """
        stored = train_images.shape[-1]
        content = content or stored
        fits = content == size if fill else content <= size <= stored
        resized = None if fits else content
        if scaling == "pixels":
            return cls(size=size, mean=0.0, std=1.0, content=resized)
        if scaling == "unit":
            return cls(size=size, mean=0.0, std=255.0, content=resized)
        cropped = crop(train_images, resized or size)
        std = float(cropped.std()) or 1.0  # of images that are all of one grey, nothing can be learned
        return cls(size=size, mean=float(cropped.mean()), std=std, content=resized)

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 images of N x H x W into floats of N x 1 x size x size."""
        images = crop(images, self.content or self.size).unsqueeze(1).float()
        if self.content:
            images = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        return images.sub_(self.mean).div_(self.std)


def crop(images: Pixels, size: int) -> Pixels:
    """Keep the middle `size` x `size` of images N x H x W."""
    margin = (images.shape[-1] - size) // 2
    return images[:, margin : margin + size, margin : margin + size]
