"""Building blocks and checks that more than one family uses."""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

MANY_CHANNELS = 128  # from here on the gradient by matrix product is faster, see UnfoldedGradient
FEW_CHANNELS = 16  # up to here the maps' gradient is faster from a padded gradient, see WrittenPadding
AMX_CHANNELS, AMX_KERNEL = range(4, 16), 8  # with these, and from such a kernel on, AMX may be wrong, see Conv2d


class Conv2d(nn.Conv2d):
    """A convolution of stride 1 that avoids the slow ways of oneDNN when it trains on a CPU, and a wrong one.

    On processors with AMX, oneDNN 3.12 gives in bf16 values that have nothing to do with the maps where a kernel of 8,
    12 or 16 meets 4 to 14 channels (all sizes from 1 to 16 and all channels from 1 to 40 were compared with fp32). With
    channels of zeros beside them they are right, and so are gradients either way. All kernels from 8 on get them.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0) -> None:
        super().__init__(inputs, outputs, kernel, padding=padding)  # no more: the gradients below know no stride

    def forward(self, maps: Tensor) -> Tensor:
        if maps.device.type != "cpu":
            return super().forward(maps)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else maps.dtype
        weight, large = self.weight, self.kernel_size[0] >= AMX_KERNEL and self.in_channels in AMX_CHANNELS
        if large and dtype == torch.bfloat16 and has_amx():
            zeros = [0, 0, 0, 0, 0, AMX_CHANNELS.stop - self.in_channels]
            maps, weight = pad(maps, zeros), pad(weight, zeros)
        if not torch.is_grad_enabled():
            return self._conv_forward(maps, weight, self.bias)
        kernel, padding = self.kernel_size[0], int(self.padding[0])
        unfold = self.in_channels >= MANY_CHANNELS and padding == 0
        written = padding if 2 * padding >= kernel else 0
        few = self.out_channels <= FEW_CHANNELS and maps.requires_grad and dtype == torch.bfloat16
        of_gradient = max(kernel // 2 - padding, 0) if few else 0
        if not (unfold or written or of_gradient):
            return self._conv_forward(maps, weight, self.bias)
        assert self.bias is not None
        maps, weight, bias = maps.to(dtype), weight.to(dtype), self.bias.to(dtype)
        if unfold:
            return UnfoldedGradient.apply(maps, weight, bias)
        return WrittenPadding.apply(maps, weight, bias, padding, written, of_gradient)


@functools.cache
def has_amx() -> bool:
    """Tell whether the processor multiplies tiles, as AMX does."""
    return bool(torch.cpu._is_amx_tile_supported())


class WrittenPadding(torch.autograd.Function):
    """A convolution of which some padding is written out: oneDNN is slow where padding makes a map larger.

    written: of the padding, before the values and the weights' gradient are computed.
    of_gradient: put around the values' gradient before that of the maps, which are larger, is computed. With more than
    16 values a pixel it does not pay.

    On Zen 4 in bf16, one thread, 1,000 maps of 12x12, 8 -> 12 channels, padding 2: with a kernel of 3, the values take
    4.0 ms in place of 6.2, the weights' gradient 3.7 in place of 16.1; with one of 7, the maps' 11.6 in place of 16.2.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, padding: int, written: int, of_gradient: int
    ) -> Tensor:
        padded = pad(maps, [written] * 4)
        ctx.padding, ctx.written, ctx.of_gradient = padding, written, of_gradient
        ctx.save_for_backward(maps, padded, weight)
        return conv2d(padded, weight, bias, padding=padding - written)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (maps, padded, weight) = gradients[0], ctx.saved_tensors
        of_maps = None
        if ctx.needs_input_grad[0]:
            wide = pad(gradient, [ctx.of_gradient] * 4)
            of_maps, _, _ = convolution_backward(wide, maps, weight, ctx.padding + ctx.of_gradient, of="maps")
        _, of_weight, of_bias = convolution_backward(gradient, padded, weight, ctx.padding - ctx.written, of="weights")
        return of_maps, of_weight, of_bias, None, None, None


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
            of_maps, _, _ = convolution_backward(gradient, maps, weight, 0, of="maps")
        patches = maps.unfold(2, kernel, 1).unfold(3, kernel, 1).permute(0, 2, 3, 4, 5, 1)
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, outputs)
        of_weight = rows.t() @ patches.reshape(len(rows), -1)
        of_weight = of_weight.view(outputs, kernel, kernel, inputs).permute(0, 3, 1, 2)
        return of_maps, of_weight, rows.sum(0)


class Dropout(nn.Dropout):
    """Dropout whose random numbers have 16 bits.

    PyTorch draws one of 53 bits for each value. 256 x 512 values in bf16 on Zen 4: 1.28 ms against 0.19. The rate is
    rounded to 1/65536, but where that would keep nothing. Beside convolutions, as in the other families, the
    difference does not count.
    """

    def forward(self, values: Tensor) -> Tensor:
        dropped = round(self.p * 2**16)
        if not self.training or dropped in (0, 2**16) or values.device.type != "cpu":
            return super().forward(values)
        drawn = torch.empty(math.ceil(values.numel() / 4), dtype=torch.int64).random_(-(2**63), None)  # 4 x 16 bits
        drawn = drawn.view(torch.int16)[: values.numel()].view(values.shape)
        kept = torch.empty_like(values)
        torch.ge(drawn, dropped - 2**15, out=kept)
        return values * kept.mul_(1 / (1 - self.p))


def convolution_backward(
    gradient: Tensor, maps: Tensor, weight: Tensor, padding: int, *, of: Literal["maps", "weights"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute oneDNN's gradient of a convolution's maps, or those of its weight and bias; in their places of three."""
    wanted = [of == "maps", of == "weights", of == "weights"]
    return torch.ops.aten.convolution_backward(
        gradient, maps, weight, [len(weight)], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, wanted
    )


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
