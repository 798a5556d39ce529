"""What a trained network learns of itself from validation images: how sure it may be, and what it does not know."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from fashion.classifier.classifier import Classifier, energy_score

PASSED = 0.95  # share of the validation images that count as like those that were learned from


def calibrate(classifier: Classifier, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
    """Set temperature and threshold by validation images, uint8 of N x H x W, and their labels."""
    logits = classifier.logits(images, device).double()
    classifier.temperature = fit_temperature(logits, torch.tensor(labels, dtype=torch.int64))
    classifier.threshold = float(energy_score(logits).quantile(1 - PASSED))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find what to divide logits, N x classes, by so that confidence fits accuracy (Guo et al., arXiv 1706.04599).

    One label in N + 2 counts as drawn by chance, after Platt (1999): else a few images that are all right would ask for
    boundless confidence.
    """
    doubt = 1 / (len(labels) + 2)
    found = minimize_scalar(
        lambda log: cross_entropy(logits / math.exp(log), labels, label_smoothing=doubt).item(),
        bounds=(-3, 3),
        method="bounded",
    )
    return math.exp(found.x)
