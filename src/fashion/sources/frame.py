"""The frame that all images of a data set are fitted to: channels, size, background, and levels of deep images."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fashion.settings.fields import NonNegativeInt, Side, Strict

Level = Annotated[int, Field(ge=0, le=255)]
Levels = Annotated[list[NonNegativeInt], Field(min_length=2, max_length=2)]


class Frame(Strict):
    """The frame that images are fitted to: they are resized to fit its content, and centred on its background.

    channels: 1 for grey, 3 for red, green and blue. height, width: in pixels. content_height, content_width: of the
    middle part that images may fill, in pixels; the rest is margin. enlarge: whether smaller images are enlarged to
    fill that part. background: the level of each channel where there is no image. levels: the levels of an image of
    more than 8 bits that become 0 and 255; levels beyond them are clipped.
    """

    channels: Literal[1, 3]
    height: Side
    width: Side
    content_height: Side
    content_width: Side
    enlarge: bool
    background: list[Level]
    levels: Levels = Field(default_factory=lambda: [0, 255])

    @model_validator(mode="after")
    def check_sizes(self) -> Self:
        if self.content_height > self.height or self.content_width > self.width:
            raise ValueError(
                f"content of {self.content_height}x{self.content_width} pixels does not fit {self.height}x{self.width}"
            )
        if len(self.background) != self.channels:
            raise ValueError(f"{len(self.background)} levels of the background for {self.channels} channels")
        if self.levels[0] >= self.levels[1]:
            raise ValueError(f"levels: {self.levels[0]} is not below {self.levels[1]}")
        return self

    def margins(self) -> tuple[int, int, int, int]:
        """Compute the widths of the margins above, below, left and right of the content, in pixels."""
        top, left = (self.height - self.content_height) // 2, (self.width - self.content_width) // 2
        return top, self.height - self.content_height - top, left, self.width - self.content_width - left

    def centred(self, images: np.ndarray) -> np.ndarray:
        """Add the margins to uint8 images of N x C x content_height x content_width: N x C x height x width."""
        result = self.empty(len(images))
        top, _, left, _ = self.margins()
        result[:, :, top : top + self.content_height, left : left + self.content_width] = images
        return result

    def empty(self, count: int) -> np.ndarray:
        """Make images of nothing but background, uint8 of N x C x height x width."""
        result = np.empty((count, self.channels, self.height, self.width), np.uint8)
        result[:] = np.array(self.background, np.uint8)[:, None, None]
        return result
