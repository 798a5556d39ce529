"""Convolutional networks with BatchNorm and dropout after every layer, the dropout rising with depth."""

from torch import nn

from fashion.networks.building.layers import Conv2d, map_size, one_for_each
from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Layers, Rate

RAMP = (0.2, 0.6, 1.0, 1.0)  # shares of the peak rate: a peak of 0.5 gives the published .1 .3 .5 .5


def build(
    *,
    channels: Layers[Count],
    kernels: Layers[Count],
    pools: Layers[Count],
    hidden: Layers[Count],
    dropout: Rate,
    image_size: int,
    num_classes: int,
) -> nn.Module:
    """Stack blocks of conv, BatchNorm, ReLU, channel dropout, max-pool, then of linear, BatchNorm, ReLU, dropout.

    `dropout` is the peak rate; layers get fixed shares of it, first the convolutions and again the linear layers.
    """
    one_for_each("channels", channels, kernels=kernels, pools=pools)
    layers: list[nn.Module] = []
    width, size = 1, image_size
    for index, (out, kernel, pool) in enumerate(zip(channels, kernels, pools, strict=True)):
        size = map_size(size, kernel=kernel, pool=pool, layer=f"convolution {index + 1}")
        layers.append(Conv2d(width, out, kernel))
        layers.append(nn.BatchNorm2d(out))
        # Pooling is first, since channel dropout does not change which pixel is largest.
        layers.append(MaxPool(pool, relu=True) if pool > 1 else nn.ReLU(inplace=True))
        layers.append(nn.Dropout2d(dropout * share(index)))
        width = out
    layers.append(nn.Flatten())
    width *= size**2
    for index, units in enumerate(hidden):
        layers += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
        layers.append(nn.Dropout(dropout * share(index)))
        width = units
    layers.append(nn.Linear(width, num_classes))
    return nn.Sequential(*layers)


def share(index: int) -> float:
    """Give the share of the peak rate at a depth counted from 0; layers beyond the ramp get all of it."""
    return RAMP[min(index, len(RAMP) - 1)]
