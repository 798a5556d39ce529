"""Multilayer perceptrons: linear layers on the flattened image.

Notable features:
- a dropout rate for each hidden layer
- BatchNorm before ReLU, dropout after it
- dropout with random numbers of 16 bits on a CPU, see `Dropout`
"""

import math
from collections.abc import Sequence

from torch import nn

from fashion.networks.building.layers import Dropout, OutputLinear, check_same_length
from fashion.settings.fields import Count, Layers, Rate


def build(
    *,
    hidden: Layers[Count],
    batch_norm: bool = False,
    dropout: Layers[Rate] | None = None,
    image_shape: Sequence[int],
    num_classes: int,
) -> nn.Module:
    """Stack linear layers with `hidden` units, each followed by BatchNorm if `batch_norm`, ReLU and dropout.

    dropout: a rate for each hidden layer; none by default.
    """
    if dropout is not None:
        check_same_length("hidden", hidden, dropout=dropout)
    layers: list[nn.Module] = [nn.Flatten()]
    in_features = math.prod(image_shape)
    for index, units in enumerate(hidden):
        layers.append(nn.Linear(in_features, units))
        if batch_norm:
            layers.append(nn.BatchNorm1d(units))
        layers.append(nn.ReLU(inplace=True))
        if dropout:
            layers.append(Dropout(dropout[index]))
        in_features = units
    layers.append(OutputLinear(in_features, num_classes))
    return nn.Sequential(*layers)
