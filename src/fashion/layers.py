"""Building blocks and checks that more than one family uses."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

MANY_CHANNELS = 128  # from here on the gradient by matrix product is faster, see UnfoldedGradient


class ChannelsLast(nn.Module):
    """Lay the feature maps out as NHWC in memory; values and shape (N x C x H x W) stay.

    A convolution with one input channel hands back NCHW, however its input lies, unless its weights lie channels last,
    and everything after it follows. In bf16 on Zen 4, one thread, whole networks then take 1.6 to 2.8 times as long.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.contiguous(memory_format=torch.channels_last)


class Conv2d(nn.Conv2d):
    """A convolution, stride 1, no padding, whose weights' gradient is one matrix product where that is faster."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)  # no more: the gradient below knows no stride and no padding

    def forward(self, maps: Tensor) -> Tensor:
        if self.in_channels < MANY_CHANNELS or maps.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(maps)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else maps.dtype
        assert self.bias is not None
        return UnfoldedGradient.apply(maps.to(dtype), self.weight.to(dtype), self.bias.to(dtype))


class UnfoldedGradient(torch.autograd.Function):
    """The gradient of a convolution's weights as gradients^T x patches, the patches copied out first.

    On a CPU, oneDNN's own takes 2.5 times as long where many channels meet a small map: on Zen 4 in bf16, one thread
    and 256 images, 130 ms against 52 ms for 256 -> 512 channels, 4x4 on 6x6, and 23 against 17 for 128 -> 256, 2x2 on
    7x7. With 64 channels it is as fast, and with fewer faster. Forward and the gradient of the input stay oneDNN's.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return conv2d(maps, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        outputs, inputs, kernel, _ = weight.shape
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_maps = None
        if ctx.needs_input_grad[0]:
            of_maps = torch.ops.aten.convolution_backward(
                gradient, maps, weight, [outputs], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        patches = maps.unfold(2, kernel, 1).unfold(3, kernel, 1).permute(0, 2, 3, 4, 5, 1)
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, outputs)
        of_weight = rows.t() @ patches.reshape(len(rows), -1)
        of_weight = of_weight.view(outputs, kernel, kernel, inputs).permute(0, 3, 1, 2)
        return of_maps, of_weight, rows.sum(0)


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
