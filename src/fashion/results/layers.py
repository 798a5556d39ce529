"""The layers of a network as a table: what each is, the shape it gives, its trainable parameters."""

from typing import Any

import torch
from torch import Tensor, nn


def layer_table(model: nn.Module, size: int) -> list[dict[str, Any]]:
    """Send one black image of `size` pixels a side through `model`, and list the layers in the order of their work.

    A row has `layer`, `settings` (as torch prints them), `shape` (without the batch) and `parameters` (trainable).
    """
    rows: list[dict[str, Any]] = []

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        rows.append(
            {
                "layer": type(layer).__name__,
                "settings": layer.extra_repr(),
                "shape": list(output.shape[1:]),
                "parameters": sum(weights.numel() for weights in layer.parameters() if weights.requires_grad),
            }
        )

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    try:
        weights = next(model.parameters())
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 1, size, size, device=weights.device))
    finally:
        for hook in hooks:
            hook.remove()
    return rows
