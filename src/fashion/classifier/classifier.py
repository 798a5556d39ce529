"""A trained network with all that is needed to use it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.device import pick_precision
from fashion.classifier.prediction import predict_logits
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.settings.fields import Views


@dataclass
class Classifier:
    """A trained network with all that is needed to use it.

    classes: names, in the order of the logits. environment: what it was trained with. views: of each image, over which
    the logits are averaged.
    """

    model: nn.Module
    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    classes: list[str]
    environment: dict[str, str]
    views: Views = "one"

    def parameters(self) -> int:
        """Count the trainable parameters."""
        return sum(weights.numel() for weights in self.model.parameters() if weights.requires_grad)

    def log_probabilities(self, images: np.ndarray, device: torch.device) -> Tensor:
        """Compute logarithms of class probabilities, float32 of N x classes on the CPU, for uint8 images of N x H x W.

        In the precision of the training, where this device has it. Logarithms, since probabilities next to 0 and 1
        round to them, and what tells one sure answer from another is lost.
        """
        size, least = images.shape[-1], self.preparation.content or self.preparation.size
        if size < least:
            raise InputError(f"images of {size} pixels a side are too small for a model of {least}")
        self.model.to(device)
        dtype = pick_precision("fp32" if self.environment["precision"] == "fp32" else "auto", device)
        logits = predict_logits(self.model, self.preparation, torch.tensor(images, device=device), dtype, self.views)
        return logits.log_softmax(1).cpu()
