"""Convolutional networks with BatchNorm and dropout in every layer except the last; dropout rates increase with depth.

Notable features:
- dropout rates of 0.2, 0.6, 1 and 1 times the peak rate, for the convolutions and again for the linear layers
- channel dropout (`nn.Dropout2d`) after convolutions
- pooling before ReLU and dropout: the same result as after them, at less cost
- max-pool and ReLU in one layer, see `MaxPool`
- convolutions and linear layers keep their bias, although BatchNorm follows
"""

import math
from collections.abc import Sequence

from torch import nn

from fashion.networks.building.layers import Conv2d, OutputLinear, check_same_length, conv_output_size
from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Layers, Rate

RAMP = (0.2, 0.6, 1.0, 1.0)  # fractions of the peak rate by depth: a peak of 0.5 gives the published .1 .3 .5 .5


def build(
    *,
    channels: Layers[Count],
    kernels: Layers[Count],
    pools: Layers[Count],
    hidden: Layers[Count],
    dropout: Rate,
    image_shape: Sequence[int],
    num_classes: int,
) -> nn.Module:
    """Stack blocks of conv, BatchNorm, ReLU, channel dropout, max-pool, then of linear, BatchNorm, ReLU, dropout.

    dropout: the peak rate, see `RAMP`.
    """
    check_same_length("channels", channels, kernels=kernels, pools=pools)
    layers: list[nn.Module] = []
    in_channels, *size = image_shape
    for index, (out_channels, kernel, pool) in enumerate(zip(channels, kernels, pools, strict=True)):
        size = conv_output_size(size, kernel=kernel, pool=pool, layer=f"convolution {index + 1}")
        layers.append(Conv2d(in_channels, out_channels, kernel))
        layers.append(nn.BatchNorm2d(out_channels))
        # Pooling is first, since ReLU and channel dropout do not change which pixel is the largest.
        layers.append(MaxPool(pool, relu=True) if pool > 1 else nn.ReLU(inplace=True))
        layers.append(nn.Dropout2d(dropout_rate(dropout, index)))
        in_channels = out_channels
    layers.append(nn.Flatten())
    in_features = in_channels * math.prod(size)
    for index, units in enumerate(hidden):
        layers += [nn.Linear(in_features, units), nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
        layers.append(nn.Dropout(dropout_rate(dropout, index)))
        in_features = units
    layers.append(OutputLinear(in_features, num_classes))
    return nn.Sequential(*layers)


def dropout_rate(peak: float, depth: int) -> float:
    """Compute the dropout rate at a depth, counted from 0; layers beyond `RAMP` have the peak rate."""
    return peak * RAMP[min(depth, len(RAMP) - 1)]
