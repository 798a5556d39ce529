"""Max-pooling of channels-last feature maps on a CPU, two to four times as fast as PyTorch's in bf16.

PyTorch stores an index of 8 bytes for each output, fills the gradient with zeros before it scatters values into it, and
processes maps with few channels one number at a time. Here, SIMD instructions process several rows of windows at once,
the index of a maximum within its window takes one byte, and each element of the gradient is written once.
docs/performance.md has the measurements.

Floats are compared as the integers of the same bits: positive floats have the same order as these. The kernels run on
one thread. They take little time next to the convolutions, and on two cores a second thread gained nothing: PyTorch's
own threads busy-wait for work.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

INTEGER_DTYPES = {torch.bfloat16: torch.int16, torch.float32: torch.int32}  # integers with as many bits as the floats
NEGATIVE_INFINITY_BITS = {torch.bfloat16: -(1 << 7), torch.float32: -(1 << 23)}  # as these integers
WORD_DTYPES = (torch.int64, torch.int32, torch.int16)  # wide words need fewer copies
MAX_WINDOW_SIZE = 15  # pixels a side: the index of a pixel in its window must fit into a byte
CHUNK_SIZE = 256  # values processed at a time, in whole rows of windows; they stay in the L1 cache


class MaxPool(nn.Module):
    """Max-pooling with a stride equal to the window size; with `relu`, also ReLU, at no cost.

    Maps N x C x H x W to N x C x H//size x W//size. Values and gradients are bit for bit those of `max_pool2d` and
    `relu`, except that 0 and -0 differ here: if both are the largest in a window, the first 0 gets the gradient.
    """

    def __init__(self, size: int, *, relu: bool = False) -> None:
        super().__init__()
        self.size, self.relu = size, relu

    def forward(self, maps: Tensor) -> Tensor:
        supported = maps.device.type == "cpu" and maps.dtype in INTEGER_DTYPES and self.size <= MAX_WINDOW_SIZE
        if not supported or torch.compiler.is_compiling():  # also true during an export
            pooled = max_pool2d(maps, self.size)
            return pooled.relu_() if self.relu else pooled
        return MaxPoolFunction.apply(maps, self.size, self.relu)

    def extra_repr(self) -> str:
        return f"{self.size}, relu={self.relu}"


class MaxPoolFunction(torch.autograd.Function):
    """The autograd function of `MaxPool` on a CPU."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, size: int, relu: bool) -> Tensor:
        images, channels, height, width = maps.shape
        pooled = empty_channels_last(maps, (images, channels, height // size, width // size))
        argmax = torch.empty(pooled.numel(), dtype=torch.uint8)
        maps = maps.contiguous(memory_format=torch.channels_last)
        ctx.shape, ctx.size = (images, channels, height, width), size
        negative_infinity = NEGATIVE_INFINITY_BITS[maps.dtype]
        max_pool(as_words(maps), as_integers(pooled), argmax.numpy(), ctx.shape, size, relu, negative_infinity)
        ctx.save_for_backward(argmax)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        (argmax,) = ctx.saved_tensors
        maps_gradient = empty_channels_last(gradient, ctx.shape)
        max_pool_backward(as_integers(gradient), argmax.numpy(), as_words(maps_gradient), ctx.shape, ctx.size)
        return maps_gradient, None, None


def empty_channels_last(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, memory_format=torch.channels_last)


def as_integers(maps: Tensor) -> np.ndarray:
    """View channels-last maps as a flat array of integers with the same bits."""
    return maps.permute(0, 2, 3, 1).view(-1).view(INTEGER_DTYPES[maps.dtype]).numpy()


def as_words(maps: Tensor) -> np.ndarray:
    """View channels-last maps as a flat array of words, the widest integers that the channels of a pixel just fill."""
    pixel_bytes = maps.shape[1] * maps.element_size()
    dtype = next(dtype for dtype in WORD_DTYPES if pixel_bytes % dtype.itemsize == 0)
    return maps.permute(0, 2, 3, 1).view(-1).view(dtype).numpy()


@njit(cache=True)
def max_pool(
    maps: np.ndarray,
    pooled: np.ndarray,
    argmax: np.ndarray,
    shape: tuple[int, int, int, int],
    size: int,
    relu: bool,
    negative_infinity_bits: int,
) -> None:
    """Write the maximum of each window to `pooled`, and the index of its pixel within the window to `argmax`.

    maps: words. pooled: integers. argmax: bytes; size * size if ReLU gives 0. shape: of the maps, N x C x H x W.
    Array indices are unsigned: with signed ones, Numba checks in every loop whether they count from the end, and the
    loop is not vectorised.
    """
    images, channels, height, width = shape
    integer = pooled.dtype.type
    zero, sign_bit, negative_infinity = integer(0), integer(pooled.itemsize * 8 - 1), integer(negative_infinity_bits)
    max_integer = integer(~(1 << (pooled.itemsize * 8 - 1)))
    out_height, out_width = height // size, width // size
    row_values = out_width * channels
    pixel_words = channels * pooled.itemsize // maps.itemsize
    chunk_rows = max(1, CHUNK_SIZE // row_values)
    values = np.empty(chunk_rows * row_values, pooled.dtype)
    words = values.view(maps.dtype)
    best = np.empty(chunk_rows * row_values, pooled.dtype)
    best_pixel = np.empty(chunk_rows * row_values, pooled.dtype)
    for start in range(0, images * out_height, chunk_rows):
        rows = min(chunk_rows, images * out_height - start)
        best[:] = zero if relu else ~max_integer
        best_pixel[:] = integer(size * size) if relu else zero
        for pixel in range(size * size):
            for row in range(rows):
                map_row = (start + row) // out_height * height + (start + row) % out_height * size + pixel // size
                for window in range(out_width):
                    source = (map_row * width + window * size + pixel % size) * pixel_words
                    target = (row * out_width + window) * pixel_words
                    for word in range(pixel_words):
                        words[np.uint64(target + word)] = maps[np.uint64(source + word)]
            this_pixel = integer(pixel)
            if relu:
                for i in range(rows * row_values):
                    value = values[i]
                    is_nan = value > negative_infinity and value < zero
                    value = max_integer if is_nan else value
                    is_larger = value > best[i]
                    best[i] = value if is_larger else best[i]
                    best_pixel[i] = this_pixel if is_larger else best_pixel[i]
            else:
                for i in range(rows * row_values):
                    value = values[i]
                    is_nan = value > negative_infinity and value < zero
                    values[i] = max_integer if is_nan else value ^ ((value >> sign_bit) & max_integer)
                for i in range(rows * row_values):
                    is_larger = values[i] > best[i]
                    best[i] = values[i] if is_larger else best[i]
                    best_pixel[i] = this_pixel if is_larger else best_pixel[i]
        for i in range(rows * row_values):
            pooled[np.uint64(start * row_values + i)] = best[i] ^ ((best[i] >> sign_bit) & max_integer)
            argmax[np.uint64(start * row_values + i)] = np.uint8(best_pixel[i])


@njit(cache=True)
def max_pool_backward(
    gradient: np.ndarray,
    argmax: np.ndarray,
    maps_gradient: np.ndarray,
    shape: tuple[int, int, int, int],
    size: int,
) -> None:
    """Write the gradient of the maps: that of the output at the maximum of each window, 0 at all other pixels.

    gradient: integers. argmax: as from `max_pool`. maps_gradient: words. shape: of the maps, N x C x H x W.
    """
    images, channels, height, width = shape
    zero, zero_word = gradient.dtype.type(0), maps_gradient.dtype.type(0)
    out_height, out_width = height // size, width // size
    row_values = out_width * channels
    pixel_words = channels * gradient.itemsize // maps_gradient.itemsize
    chunk_rows = max(1, CHUNK_SIZE // row_values)
    values = np.empty(chunk_rows * row_values, gradient.dtype)
    words = values.view(maps_gradient.dtype)
    for start in range(0, images * out_height, chunk_rows):
        rows = min(chunk_rows, images * out_height - start)
        for pixel in range(size * size):
            this_pixel = np.uint8(pixel)
            for i in range(rows * row_values):
                is_max = argmax[np.uint64(start * row_values + i)] == this_pixel
                values[i] = gradient[np.uint64(start * row_values + i)] if is_max else zero
            for row in range(rows):
                map_row = (start + row) // out_height * height + (start + row) % out_height * size + pixel // size
                for window in range(out_width):
                    source = (row * out_width + window) * pixel_words
                    target = (map_row * width + window * size + pixel % size) * pixel_words
                    for word in range(pixel_words):
                        maps_gradient[np.uint64(target + word)] = words[np.uint64(source + word)]
        # Pixels at the right and at the bottom that no window covers.
        for row in range(start, start + rows):
            map_row = row // out_height * height + row % out_height * size
            for offset in range(size):
                end = (map_row + offset + 1) * width * pixel_words
                for word in range(end - width % size * pixel_words, end):
                    maps_gradient[np.uint64(word)] = zero_word
            if row % out_height == out_height - 1:
                end = (row // out_height + 1) * height * width * pixel_words
                for word in range(end - height % size * width * pixel_words, end):
                    maps_gradient[np.uint64(word)] = zero_word
