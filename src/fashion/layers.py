"""Building blocks and checks that more than one family uses."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ChannelsLast(nn.Module):
    """Lay the feature maps out as NHWC in memory; values and shape (N x C x H x W) stay.

    A convolution with one input channel hands back NCHW however its input lies, and everything after it follows:
    max pooling is then 25 times slower in bf16 on a CPU.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.contiguous(memory_format=torch.channels_last)


def map_size(size: int, *, kernel: int, padding: int = 0, pool: int = 1, layer: str) -> int:
    """Give the side of the feature map after a convolution and its pooling; ValueError when nothing is left."""
    after = (size + 2 * padding - kernel + 1) // pool
    if after < 1:
        raise ValueError(
            f"{layer}: kernel {kernel} with padding {padding} and pool {pool} does not fit a {size}x{size} map"
        )
    return after


def one_for_each(counted: str, layers: Sequence[object], **lists: Sequence[object]) -> None:
    """Require that each list has an entry for each of `layers`; ValueError names the list that has not."""
    for name, values in lists.items():
        if len(values) != len(layers):
            raise ValueError(f"arguments.{name}: {len(values)} entries for {len(layers)} {counted}; give one for each")
