"""Convolutional networks: a few convolutions with pooling, then linear layers."""

from typing import Literal

from torch import nn

from fashion.networks.building.layers import Conv2d, map_size, one_for_each
from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Index, Layers, Rate


def build(
    *,
    channels: Layers[Count],
    kernels: Layers[Count],
    paddings: Layers[Index] | None = None,
    pools: Layers[Count] | None = None,
    conv_norm: Layers[Literal["none", "before", "after"]] | None = None,
    dropout: Rate = 0.0,
    hidden: Layers[Count],
    hidden_norm: Layers[Literal["none", "after"]] | None = None,
    image_size: int,
    num_classes: int,
) -> nn.Module:
    """Stack convolutions and linear layers, each list one entry a layer.

    A convolution is conv, ReLU, channel dropout, max-pool; a hidden layer is linear, ReLU. BatchNorm stands `before`
    the ReLU or `after` the whole, pooling included. By default paddings are 0, pools 2 and there is no BatchNorm.

    Pooling comes first: it gives the same as after ReLU and channel dropout, since neither changes which pixel of a
    channel is largest, and they then have a quarter of the pixels to pass.
    """
    paddings = paddings if paddings is not None else [0] * len(channels)
    pools = pools if pools is not None else [2] * len(channels)
    conv_norm = conv_norm if conv_norm is not None else ["none"] * len(channels)
    hidden_norm = hidden_norm if hidden_norm is not None else ["none"] * len(hidden)
    one_for_each("channels", channels, kernels=kernels, paddings=paddings, pools=pools, conv_norm=conv_norm)
    one_for_each("hidden", hidden, hidden_norm=hidden_norm)

    layers: list[nn.Module] = []
    width, size = 1, image_size
    for index, (out, kernel, padding, pool) in enumerate(zip(channels, kernels, paddings, pools, strict=True)):
        size = map_size(size, kernel=kernel, padding=padding, pool=pool, layer=f"convolution {index + 1}")
        layers.append(Conv2d(width, out, kernel, padding))
        if conv_norm[index] == "before":
            layers.append(nn.BatchNorm2d(out))
        layers.append(MaxPool(pool, relu=True) if pool > 1 else nn.ReLU(inplace=True))
        if dropout:
            layers.append(nn.Dropout2d(dropout))
        if conv_norm[index] == "after":
            layers.append(nn.BatchNorm2d(out))
        width = out
    layers.append(nn.Flatten())
    width *= size**2
    for units, norm in zip(hidden, hidden_norm, strict=True):
        layers += [nn.Linear(width, units), nn.ReLU(inplace=True)]
        if norm == "after":
            layers.append(nn.BatchNorm1d(units))
        width = units
    layers.append(nn.Linear(width, num_classes))
    return nn.Sequential(*layers)
