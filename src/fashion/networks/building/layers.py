"""Layers: convolution and dropout that are faster on a CPU than PyTorch's, output in fp32; checks of arguments."""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

MIN_UNFOLD_CHANNELS = 128  # input channels from which a matrix product is faster, see UnfoldedWeightGradient
MAX_PAD_GRADIENT_CHANNELS = 16  # output channels up to which a padded gradient is faster, see ExplicitPadding
AMX_CHANNELS = range(4, 16)  # input channels with which AMX may give wrong values, see Conv2d
MIN_AMX_KERNEL = 8  # kernel size from which AMX may give wrong values, see Conv2d


class Conv2d(nn.Conv2d):
    """Convolution of stride 1. In training on a CPU, it avoids slow code of oneDNN; on AMX, it avoids wrong values.

    On processors with AMX, oneDNN 3.12 gives wrong values in bf16, unrelated to the input, if the kernel size is 8, 12
    or 16 and the input has 4 to 14 channels (all kernel sizes from 1 to 16 and all numbers of channels from 1 to 40
    were compared with fp32). The values are right if channels of zeros are added; the gradients are right either way.
    Channels are added for all kernel sizes from 8 on.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, padding: int = 0) -> None:
        # No stride or dilation: the autograd functions below do not implement them.
        super().__init__(in_channels, out_channels, kernel_size, padding=padding)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.device.type != "cpu":
            return super().forward(maps)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else maps.dtype
        weight, kernel_size, padding = self.weight, self.kernel_size[0], int(self.padding[0])
        may_be_wrong = kernel_size >= MIN_AMX_KERNEL and self.in_channels in AMX_CHANNELS
        if may_be_wrong and dtype == torch.bfloat16 and has_amx():
            zero_channels = [0, 0, 0, 0, 0, AMX_CHANNELS.stop - self.in_channels]
            maps, weight = pad(maps, zero_channels), pad(weight, zero_channels)
        if not torch.is_grad_enabled():
            return self._conv_forward(maps, weight, self.bias)
        unfold = self.in_channels >= MIN_UNFOLD_CHANNELS and padding == 0
        explicit_padding = padding if 2 * padding >= kernel_size else 0
        few_channels = self.out_channels <= MAX_PAD_GRADIENT_CHANNELS
        pad_gradient = few_channels and maps.requires_grad and dtype == torch.bfloat16
        gradient_padding = max(kernel_size // 2 - padding, 0) if pad_gradient else 0
        if not (unfold or explicit_padding or gradient_padding):
            return self._conv_forward(maps, weight, self.bias)
        assert self.bias is not None
        maps, weight, bias = maps.to(dtype), weight.to(dtype), self.bias.to(dtype)
        if unfold:
            return UnfoldedWeightGradient.apply(maps, weight, bias)
        return ExplicitPadding.apply(maps, weight, bias, padding, explicit_padding, gradient_padding)


@functools.cache
def has_amx() -> bool:
    """Tell whether the processor has AMX, instructions that multiply tiles of matrices."""
    return bool(torch.cpu._is_amx_tile_supported())


class ExplicitPadding(torch.autograd.Function):
    """Convolution that pads with zeros before it calls oneDNN, which is slow if padding makes the output larger.

    padding: pixels on each side, as in `conv2d`.
    explicit_padding: how many of these are added before the output and the gradient of the weights are computed; oneDNN
    adds the others.
    gradient_padding: pixels added on each side of the output's gradient before the gradient of the maps, which are
    larger, is computed. With more than 16 output channels, this does not pay.

    On Zen 4 in bf16, with one thread, for 1,000 maps of 12x12, 8 -> 12 channels and a padding of 2: with a kernel size
    of 3, the output takes 4.0 ms instead of 6.2, and the gradient of the weights 3.7 ms instead of 16.1; with a kernel
    size of 7, the gradient of the maps takes 11.6 ms instead of 16.2.
    """

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor,
        bias: Tensor,
        padding: int,
        explicit_padding: int,
        gradient_padding: int,
    ) -> Tensor:
        padded_maps = pad(maps, [explicit_padding] * 4)
        ctx.padding, ctx.explicit_padding, ctx.gradient_padding = padding, explicit_padding, gradient_padding
        ctx.save_for_backward(maps, padded_maps, weight)
        return conv2d(padded_maps, weight, bias, padding=padding - explicit_padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (maps, padded_maps, weight) = gradients[0], ctx.saved_tensors
        maps_gradient = None
        if ctx.needs_input_grad[0]:
            padded_gradient = pad(gradient, [ctx.gradient_padding] * 4)
            maps_gradient, _, _ = convolution_backward(
                padded_gradient, maps, weight, ctx.padding + ctx.gradient_padding, wrt="maps"
            )
        _, weight_gradient, bias_gradient = convolution_backward(
            gradient, padded_maps, weight, ctx.padding - ctx.explicit_padding, wrt="weights"
        )
        return maps_gradient, weight_gradient, bias_gradient, None, None, None


class UnfoldedWeightGradient(torch.autograd.Function):
    """Convolution without padding that computes the gradient of its weights as a matrix product, gradient^T @ patches.

    The patches are copied first. On a CPU, oneDNN takes 2.5 times as long for many channels and small maps: on Zen 4 in
    bf16, with one thread and 256 images, 130 ms against 52 ms for 256 -> 512 channels, a kernel of 4x4 and maps of 6x6,
    and 23 ms against 17 ms for 128 -> 256 channels, 2x2 and 7x7. With 64 channels, oneDNN is as fast; with fewer, it is
    faster. The output and the gradient of the maps are computed by oneDNN.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return conv2d(maps, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        out_channels, in_channels, kernel_size, _ = weight.shape
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        maps_gradient = None
        if ctx.needs_input_grad[0]:
            maps_gradient, _, _ = convolution_backward(gradient, maps, weight, 0, wrt="maps")
        patches = maps.unfold(2, kernel_size, 1).unfold(3, kernel_size, 1).permute(0, 2, 3, 4, 5, 1)
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, out_channels)
        weight_gradient = rows.t() @ patches.reshape(len(rows), -1)
        weight_gradient = weight_gradient.view(out_channels, kernel_size, kernel_size, in_channels).permute(0, 3, 1, 2)
        return maps_gradient, weight_gradient, rows.sum(0)


def convolution_backward(
    gradient: Tensor, maps: Tensor, weight: Tensor, padding: int, *, wrt: Literal["maps", "weights"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute gradients of a convolution by oneDNN: with respect to the maps, or to weight and bias.

    gradient: of the output. Gives the gradients of maps, weight and bias; those that were not asked for are None.
    """
    output_mask = [wrt == "maps", wrt == "weights", wrt == "weights"]
    return torch.ops.aten.convolution_backward(
        gradient, maps, weight, [len(weight)], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, output_mask
    )


class Dropout(nn.Dropout):
    """Dropout with random numbers of 16 bits on a CPU, in training.

    PyTorch draws a number of 53 bits for each value: 1.28 ms for 256 x 512 values in bf16 on Zen 4, against 0.19 ms.
    The rate is rounded to a multiple of 1/65536, except if that gives 0 or 1. Families with convolutions use
    `nn.Dropout`: next to convolutions, the difference does not matter.
    """

    def forward(self, values: Tensor) -> Tensor:
        threshold = round(self.p * 2**16)
        if not self.training or threshold in (0, 2**16) or values.device.type != "cpu":
            return super().forward(values)
        random = torch.empty(math.ceil(values.numel() / 4), dtype=torch.int64).random_(-(2**63), None)  # 4 x 16 bits
        random = random.view(torch.int16)[: values.numel()].view(values.shape)
        mask = torch.empty_like(values)
        torch.ge(random, threshold - 2**15, out=mask)
        return values * mask.mul_(1 / (1 - self.p))


class OutputLinear(nn.Linear):
    """Linear layer that computes logits in fp32, also under autocast.

    In bf16, two classes often have the same logit, and `argmax` takes the first: 29 of 10,000 images of `mlp_200`.
    """

    def forward(self, features: Tensor) -> Tensor:
        device_type = features.device.type
        if not torch.is_autocast_enabled(device_type):
            return super().forward(features)
        with torch.autocast(device_type, enabled=False):
            return super().forward(features.float())


def conv_output_size(size: Sequence[int], *, kernel: int, padding: int = 0, pool: int = 1, layer: str) -> list[int]:
    """Compute height and width of the feature maps after a convolution and its pooling; ValueError if one is 0.

    >>> conv_output_size([28, 20], kernel=5, pool=2, layer="convolution 1")
    [12, 8]
    """
    output_size = [(length + 2 * padding - kernel + 1) // pool for length in size]
    if min(output_size) < 1:
        raise ValueError(
            f"{layer}: kernel {kernel} with padding {padding} and pool {pool} does not fit a {size[0]}x{size[1]} map"
        )
    return output_size


def check_same_length(reference_name: str, reference: Sequence[object], **lists: Sequence[object]) -> None:
    """Check that all lists are as long as `reference`; ValueError names the first one that is not.

    >>> check_same_length("channels", [32, 64], kernels=[3])
    ValueError: arguments.kernels: 1 entries for 2 channels; give one for each
    """
    for name, values in lists.items():
        if len(values) != len(reference):
            raise ValueError(
                f"arguments.{name}: {len(values)} entries for {len(reference)} {reference_name}; give one for each"
            )
