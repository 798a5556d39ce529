"""The table of a network's layers."""

import torch
from torch import nn

from fashion.networks.building import factory
from fashion.results.layers import layer_table


def test_layers_are_listed_in_order_with_shapes_and_parameters() -> None:
    arguments = {"channels": [32, 64], "kernels": [3, 3], "hidden": [64]}
    rows = layer_table(factory.build_network("cnn", arguments, image_shape=(1, 32, 32), num_classes=10), (1, 32, 32))
    weighted = [(row["layer"], row["shape"], row["parameters"]) for row in rows if row["parameters"]]
    assert weighted == [
        ("Conv2d", [32, 30, 30], 320),
        ("Conv2d", [64, 13, 13], 18_496),
        ("Linear", [64], 147_520),
        ("OutputLinear", [10], 650),
    ]


def test_frozen_parameters_are_not_counted() -> None:
    frozen = nn.Linear(4, 2).requires_grad_(False)
    rows = layer_table(nn.Sequential(nn.Flatten(), frozen), (1, 2, 2))
    assert [(row["layer"], row["parameters"]) for row in rows] == [("Flatten", 0), ("Linear", 0)]


def test_the_table_does_not_change_the_network() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.BatchNorm1d(2))
    before = {name: values.clone() for name, values in model.state_dict().items()}
    layer_table(model, (1, 2, 2))
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
    assert not any(layer._forward_hooks for layer in model.modules())
