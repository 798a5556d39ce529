"""Convolutional networks: convolutions with pooling, then linear layers.

Notable features:
- pooling before ReLU and channel dropout: the same result as after them, at less cost
- max-pool and ReLU in one layer, see `MaxPool`
- channel dropout (`nn.Dropout2d`) after convolutions, no dropout after linear layers
- BatchNorm of each layer either before ReLU, or at the end of the layer, after ReLU and pooling
"""

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn

from fashion.networks.building.layers import Conv2d, OutputLinear, check_same_length, conv_output_size
from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Layers, NonNegativeInt, Rate


def build(
    *,
    channels: Layers[Count],
    kernels: Layers[Count],
    paddings: Layers[NonNegativeInt] | None = None,
    pools: Layers[Count] | None = None,
    conv_norm: Layers[Literal["none", "before", "after"]] | None = None,
    dropout: Rate = 0.0,
    hidden: Layers[Count],
    hidden_norm: Layers[Literal["none", "after"]] | None = None,
    image_shape: Sequence[int],
    num_classes: int,
) -> nn.Module:
    """Stack convolutional and hidden linear layers, with one entry of each list for each layer, and an output layer.

    A convolutional layer is convolution, ReLU, channel dropout, max-pool; a hidden layer is linear, ReLU. BatchNorm is
    `before` ReLU, or `after` all of these. By default, paddings are 0, pools are 2, and there is no BatchNorm.

    In the network, pooling comes before ReLU and channel dropout. The result is the same, since neither changes which
    pixel of a channel is the largest, and they have a quarter of the pixels to process.
    """
    paddings = paddings if paddings is not None else [0] * len(channels)
    pools = pools if pools is not None else [2] * len(channels)
    conv_norm = conv_norm if conv_norm is not None else ["none"] * len(channels)
    hidden_norm = hidden_norm if hidden_norm is not None else ["none"] * len(hidden)
    check_same_length("channels", channels, kernels=kernels, paddings=paddings, pools=pools, conv_norm=conv_norm)
    check_same_length("hidden", hidden, hidden_norm=hidden_norm)

    layers: list[nn.Module] = []
    in_channels, *size = image_shape
    for index, (out_channels, kernel, padding, pool) in enumerate(zip(channels, kernels, paddings, pools, strict=True)):
        size = conv_output_size(size, kernel=kernel, padding=padding, pool=pool, layer=f"convolution {index + 1}")
        layers.append(Conv2d(in_channels, out_channels, kernel, padding))
        if conv_norm[index] == "before":
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(MaxPool(pool, relu=True) if pool > 1 else nn.ReLU(inplace=True))
        if dropout:
            layers.append(nn.Dropout2d(dropout))
        if conv_norm[index] == "after":
            layers.append(nn.BatchNorm2d(out_channels))
        in_channels = out_channels
    layers.append(nn.Flatten())
    in_features = in_channels * math.prod(size)
    for units, norm in zip(hidden, hidden_norm, strict=True):
        layers += [nn.Linear(in_features, units), nn.ReLU(inplace=True)]
        if norm == "after":
            layers.append(nn.BatchNorm1d(units))
        in_features = units
    layers.append(OutputLinear(in_features, num_classes))
    return nn.Sequential(*layers)
