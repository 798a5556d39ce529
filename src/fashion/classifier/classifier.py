"""A trained network with all that is needed to use it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.device import Precision, pick_precision
from fashion.classifier.prediction import predict_logits
from fashion.classifier.preparation import Frame, Preparation
from fashion.errors import InputError
from fashion.settings.fields import Views


@dataclass
class Classifier:
    """A trained network with all that is needed to use it.

    frame: what images are brought into first. classes: names, in the order of the logits. environment: what it was
    trained with. views: of each image, over which the logits are averaged. temperature: what logits are divided by, so
    that confidence fits accuracy. threshold: of `energy_score`; below it, an image is unlike those that were
    learned from.
    """

    model: nn.Module
    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    frame: Frame
    classes: list[str]
    environment: dict[str, str]
    views: Views = "one"
    temperature: float = 1.0
    threshold: float | None = None

    def parameters(self) -> int:
        """Count the trainable parameters."""
        return sum(weights.numel() for weights in self.model.parameters() if weights.requires_grad)

    def log_probabilities(self, images: np.ndarray, device: torch.device) -> Tensor:
        """Compute logarithms of class probabilities, float32 of N x classes on the CPU, for uint8 images of N x H x W.

        Logarithms, since probabilities next to 0 and 1 round to them, and what tells one sure answer from another is
        lost.
        """
        return self.tempered(self.logits(images, device))

    def tempered(self, logits: Tensor) -> Tensor:
        """Turn logits into logarithms of class probabilities, N x classes."""
        return (logits / self.temperature).log_softmax(1)

    def unlike(self, logits: Tensor) -> Tensor:
        """Tell which images, N, are unlike those that were learned from, by their logits of N x classes."""
        scores = energy_score(logits)
        return scores < (-torch.inf if self.threshold is None else self.threshold)

    def logits(self, images: np.ndarray, device: torch.device, precision: Precision = "auto") -> Tensor:
        """Compute logits, float32 of N x classes on the CPU, for uint8 images of N x H x W.

        precision: `auto` is that of the training, where this device has it.
        """
        size, least = images.shape[-1], self.preparation.content or self.preparation.size
        if size < least:
            raise InputError(f"images of {size} pixels a side are too small for a model of {least}")
        self.model.to(device)
        dtype = pick_precision("fp32" if self.environment["precision"] == "fp32" else precision, device)
        return predict_logits(
            self.model, self.preparation, torch.tensor(images, device=device), dtype, self.views
        ).cpu()


def energy_score(logits: Tensor) -> Tensor:
    """Tell how much images are like those that were learned from, N, by their logits of N x classes.

    The negative energy of Liu et al., arXiv 2010.03759; of logits as they are, before any temperature.
    """
    return logits.logsumexp(1)
