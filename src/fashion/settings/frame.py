"""The frame that all images of a data set are fitted to: channels, size, background, levels; and limits of its size."""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fashion.files import read_json
from fashion.settings.fields import NonNegativeInt, Side, Strict

MIN_SIDE = 20  # networks that pool need room, and a shift by one pixel changes a small image much
MAX_SIDE = 224  # the work of a network grows with the area; networks for photographs commonly take this side

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
        """Put uint8 images, N x C x H x W, no larger than the frame, into its middle: N x C x height x width.

        With an odd margin, the extra pixel is below or right.
        """
        result = self.empty(len(images))
        height, width = images.shape[2:]
        top, left = (self.height - height) // 2, (self.width - width) // 2
        result[:, :, top : top + height, left : left + width] = images
        return result

    def input_part(self) -> tuple[int, int]:
        """Give the height and width of the middle part that networks see: the content.

        Of a long strip, also margin: its shorter side gets `MIN_SIDE` pixels where the longer side, enlarged in
        proportion, would exceed `MAX_SIDE`.
        """
        height, width = self.content_height, self.content_width
        factor = enlarged_side(min(height, width)) // min(height, width)
        if factor == 1 or factor * max(height, width) <= MAX_SIDE:
            return height, width
        return min(max(height, MIN_SIDE), self.height), min(max(width, MIN_SIDE), self.width)

    def empty(self, count: int) -> np.ndarray:
        """Make images of nothing but background, uint8 of N x C x height x width."""
        result = np.empty((count, self.channels, self.height, self.width), np.uint8)
        result[:] = np.array(self.background, np.uint8)[:, None, None]
        return result


def read_frame(about: Path) -> Frame:
    """Read the frame of a data set from the file about.json that the stage `ingest` writes."""
    return Frame.model_validate(read_json(about)["frame"])


def enlarged_side(side: int) -> int:
    """Give the smallest multiple of `side` that is at least `MIN_SIDE`.

    >>> enlarged_side(8), enlarged_side(28)
    (24, 28)
    """
    return side * -(-MIN_SIDE // side)


def chosen_size(height: int, width: int) -> tuple[int, int]:
    """Give the height and width of arrays for images of about this height and width, within the limits.

    The longer side has at most `MAX_SIDE` pixels. If the shorter side is below `MIN_SIDE`, both are multiplied by the
    smallest whole number that brings it there; a strip that is too long for that gets a margin.

    >>> chosen_size(28, 28), chosen_size(8, 12), chosen_size(600, 800), chosen_size(4, 100)
    ((28, 28), (24, 36), (168, 224), (20, 224))
    """
    factor = min(enlarged_side(min(height, width)) / min(height, width), MAX_SIDE / max(height, width))
    return max(round(height * factor), MIN_SIDE), max(round(width * factor), MIN_SIDE)
