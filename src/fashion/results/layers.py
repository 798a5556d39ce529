"""List the layers of a network in a table: type, settings, output shape, number of trainable parameters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def layer_table(model: nn.Module, image_shape: Sequence[int]) -> list[dict[str, Any]]:
    """Pass one black image through `model`, and list the layers in the order of their calls.

    image_shape: channels, height and width. A row has `layer`, `settings` (as torch prints them), `shape` (of the
    output, without the batch) and `parameters` (trainable).

    >>> layer_table(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (1, 28, 28))[1]
    {'layer': 'Linear', 'settings': 'in_features=784, out_features=10, bias=True', 'shape': [10], 'parameters': 7850}
    """
    rows: list[dict[str, Any]] = []

    def add_row(layer: nn.Module, _: Any, output: Tensor) -> None:
        rows.append(
            {
                "layer": type(layer).__name__,
                "settings": layer.extra_repr(),
                "shape": list(output.shape[1:]),
                "parameters": sum(weights.numel() for weights in layer.parameters() if weights.requires_grad),
            }
        )

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(add_row) for layer in leaves]
    try:
        weights = next(model.parameters())
        with torch.inference_mode():
            model.eval()(torch.zeros(1, *image_shape, device=weights.device))
    finally:
        for hook in hooks:
            hook.remove()
    return rows
