"""Max-pooling of channels-last feature maps on a CPU, two to four times as fast as PyTorch's in bf16.

PyTorch's keeps an 8-byte index for each output, fills the gradient with zeros before it scatters into it, and takes
maps of few channels a number at a time. Here rows of windows go through the vector unit at once, a byte says which
pixel won, and each gradient is written once. Figures are in docs/performance.md.

Floats are compared as the integers of the same bits, which for positive ones have the same order. One thread does it:
it is little next to the convolutions, and on two cores a second one of ours gained nothing beside PyTorch's, which
wait for work without sleeping.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

INTEGERS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}  # as wide as the floats
NEGATIVE_INFINITY = {torch.bfloat16: -(1 << 7), torch.float32: -(1 << 23)}  # its bits
WORDS = (torch.int64, torch.int32, torch.int16)  # the wider the word, the fewer the copies
LARGEST = 15  # pixels a side of a window: its pixels are counted in a byte
TOGETHER = 256  # values: as many rows of windows as have them take one loop, and stay in the first cache


class MaxPool(nn.Module):
    """Max-pooling over windows that touch; with `relu`, followed by ReLU at no cost.

    Maps N x C x H x W to N x C x H//size x W//size. Values and gradients are those of `max_pool2d` and `relu`, bit for
    bit, but that 0 and -0 are not the same here: where both are the largest, the first 0 wins.
    """

    def __init__(self, size: int, *, relu: bool = False) -> None:
        super().__init__()
        self.size, self.relu = size, relu

    def forward(self, maps: Tensor) -> Tensor:
        ours = maps.device.type == "cpu" and maps.dtype in INTEGERS and self.size <= LARGEST
        if not ours or torch.compiler.is_compiling():  # or exporting
            pooled = max_pool2d(maps, self.size)
            return pooled.relu_() if self.relu else pooled
        return Pooling.apply(maps, self.size, self.relu)

    def extra_repr(self) -> str:
        return f"{self.size}, relu={self.relu}"


class Pooling(torch.autograd.Function):
    """What `MaxPool` does on a CPU."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, size: int, relu: bool) -> Tensor:
        images, channels, height, width = maps.shape
        pooled = channels_last(maps, (images, channels, height // size, width // size))
        winners = torch.empty(pooled.numel(), dtype=torch.uint8)
        maps = maps.contiguous(memory_format=torch.channels_last)
        ctx.shape, ctx.size = (images, channels, height, width), size
        lowest = NEGATIVE_INFINITY[maps.dtype]
        pool(words(maps), integers(pooled), winners.numpy(), ctx.shape, size, relu, lowest)
        ctx.save_for_backward(winners)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        (winners,) = ctx.saved_tensors
        of_maps = channels_last(gradient, ctx.shape)
        unpool(integers(gradient), winners.numpy(), words(of_maps), ctx.shape, ctx.size)
        return of_maps, None, None


def channels_last(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, memory_format=torch.channels_last)


def integers(maps: Tensor) -> np.ndarray:
    """View channels-last maps as one row of integers."""
    return maps.permute(0, 2, 3, 1).view(-1).view(INTEGERS[maps.dtype]).numpy()


def words(maps: Tensor) -> np.ndarray:
    """View channels-last maps as one row of the widest integers of which a pixel's channels are a multiple."""
    pixel = maps.shape[1] * maps.element_size()
    word = next(word for word in WORDS if pixel % word.itemsize == 0)
    return maps.permute(0, 2, 3, 1).view(-1).view(word).numpy()


@njit(cache=True)
def pool(
    maps: np.ndarray,
    pooled: np.ndarray,
    winners: np.ndarray,
    shape: tuple[int, int, int, int],
    size: int,
    relu: bool,
    negative_infinity: int,
) -> None:
    """Write the maxima of the windows, and which pixel of its window each is.

    maps: words; pooled: integers; winners: bytes, size * size where ReLU leaves nothing.
    Indices are unsigned so that no loop asks whether they count from the end, which would keep it from being
    vectorised.
    """
    images, channels, height, width = shape
    integer = pooled.dtype.type
    zero, sign, below = integer(0), integer(pooled.itemsize * 8 - 1), integer(negative_infinity)
    greatest = integer(~(1 << (pooled.itemsize * 8 - 1)))
    down, across = height // size, width // size
    values = across * channels
    chunk = channels * pooled.itemsize // maps.itemsize
    together = max(1, TOGETHER // values)
    pixels = np.empty(together * values, pooled.dtype)
    copied = pixels.view(maps.dtype)
    best = np.empty(together * values, pooled.dtype)
    winner = np.empty(together * values, pooled.dtype)
    for start in range(0, images * down, together):
        rows = min(together, images * down - start)
        best[:] = zero if relu else ~greatest
        winner[:] = integer(size * size) if relu else zero
        for pixel in range(size * size):
            for row in range(rows):
                line = (start + row) // down * height + (start + row) % down * size + pixel // size
                for window in range(across):
                    source = (line * width + window * size + pixel % size) * chunk
                    target = (row * across + window) * chunk
                    for word in range(chunk):
                        copied[np.uint64(target + word)] = maps[np.uint64(source + word)]
            this = integer(pixel)
            if relu:
                for at in range(rows * values):
                    value = pixels[at]
                    is_nan = value > below and value < zero
                    value = greatest if is_nan else value
                    better = value > best[at]
                    best[at] = value if better else best[at]
                    winner[at] = this if better else winner[at]
            else:
                for at in range(rows * values):
                    value = pixels[at]
                    is_nan = value > below and value < zero
                    pixels[at] = greatest if is_nan else value ^ ((value >> sign) & greatest)
                for at in range(rows * values):
                    better = pixels[at] > best[at]
                    best[at] = pixels[at] if better else best[at]
                    winner[at] = this if better else winner[at]
        for at in range(rows * values):
            pooled[np.uint64(start * values + at)] = best[at] ^ ((best[at] >> sign) & greatest)
            winners[np.uint64(start * values + at)] = np.uint8(winner[at])


@njit(cache=True)
def unpool(
    gradient: np.ndarray,
    winners: np.ndarray,
    of_maps: np.ndarray,
    shape: tuple[int, int, int, int],
    size: int,
) -> None:
    """Write the gradient of the maps, which is 0 where a pixel did not win or no window covers it.

    gradient: integers; of_maps: words.
    """
    images, channels, height, width = shape
    zero, nothing = gradient.dtype.type(0), of_maps.dtype.type(0)
    down, across = height // size, width // size
    values = across * channels
    chunk = channels * gradient.itemsize // of_maps.itemsize
    together = max(1, TOGETHER // values)
    pixels = np.empty(together * values, gradient.dtype)
    copied = pixels.view(of_maps.dtype)
    for start in range(0, images * down, together):
        rows = min(together, images * down - start)
        for pixel in range(size * size):
            this = np.uint8(pixel)
            for at in range(rows * values):
                won = winners[np.uint64(start * values + at)] == this
                pixels[at] = gradient[np.uint64(start * values + at)] if won else zero
            for row in range(rows):
                line = (start + row) // down * height + (start + row) % down * size + pixel // size
                for window in range(across):
                    source = (row * across + window) * chunk
                    target = (line * width + window * size + pixel % size) * chunk
                    for word in range(chunk):
                        of_maps[np.uint64(target + word)] = copied[np.uint64(source + word)]
        for row in range(start, start + rows):
            line = row // down * height + row % down * size
            for below in range(size):
                end = (line + below + 1) * width * chunk
                for word in range(end - width % size * chunk, end):
                    of_maps[np.uint64(word)] = nothing
            if row % down == down - 1:
                end = (row // down + 1) * height * width * chunk
                for word in range(end - height % size * width * chunk, end):
                    of_maps[np.uint64(word)] = nothing
