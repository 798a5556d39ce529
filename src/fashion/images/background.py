"""Fill pixels where there is no image with the background, a level for each channel."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad


def pad_background(images: Tensor, margin: int | tuple[int, int, int, int], background: Sequence[int]) -> Tensor:
    """Add a margin of background to images of N x C x H x W.

    margin: pixels on each side, or left, right, above and below.
    """
    margins = (margin,) * 4 if isinstance(margin, int) else margin
    return by_channel([pad(plane, margins, value=level) for plane, level in planes(images, background)])


def fill_background(images: Tensor, mask: Tensor, background: Sequence[int]) -> Tensor:
    """Replace the pixels of images, N x C x H x W, where the mask, N x 1 x H x W, is true."""
    return by_channel([plane.masked_fill(mask, level) for plane, level in planes(images, background)])


def planes(images: Tensor, background: Sequence[int]) -> Iterator[tuple[Tensor, int]]:
    """Give each channel of images, N x 1 x H x W, with the level of its background."""
    return zip(images.split(1, dim=1), background, strict=True)


def by_channel(channels: list[Tensor]) -> Tensor:
    return channels[0] if len(channels) == 1 else torch.cat(channels, 1)
