"""Multilayer perceptrons: linear layers over the flattened image."""

from torch import nn

from fashion.networks.building.layers import Dropout, one_for_each
from fashion.settings.fields import Count, Layers, Rate


def build(
    *,
    hidden: Layers[Count],
    batch_norm: bool = False,
    dropout: Layers[Rate] | None = None,
    image_size: int,
    num_classes: int,
) -> nn.Module:
    """Stack linear layers of widths `hidden`, each followed by BatchNorm if wanted, ReLU and its dropout rate."""
    if dropout is not None:
        one_for_each("hidden", hidden, dropout=dropout)
    layers: list[nn.Module] = [nn.Flatten()]
    width = image_size**2
    for index, units in enumerate(hidden):
        layers.append(nn.Linear(width, units))
        if batch_norm:
            layers.append(nn.BatchNorm1d(units))
        layers.append(nn.ReLU(inplace=True))
        if dropout:
            layers.append(Dropout(dropout[index]))
        width = units
    layers.append(nn.Linear(width, num_classes))
    return nn.Sequential(*layers)
