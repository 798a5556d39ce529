"""Calibrate a trained network on validation images: temperature, and threshold for out-of-distribution images."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from fashion.classifier.classifier import Classifier, energy_score

IN_DISTRIBUTION = 0.95  # fraction of the validation images above the threshold


def calibrate(classifier: Classifier, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
    """Set temperature and threshold from validation images, uint8 of N x H x W, and their labels."""
    logits = classifier.logits(images, device).double()
    classifier.temperature = fit_temperature(logits, torch.tensor(labels, dtype=torch.int64))
    classifier.threshold = float(energy_score(logits).quantile(1 - IN_DISTRIBUTION))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature of logits, N x classes, that minimises the log loss (Guo et al., arXiv 1706.04599).

    Labels are smoothed by 1 / (N + 2), after Platt (1999): without it, a few images that are all predicted correctly
    would give a confidence without bound.
    """
    smoothing = 1 / (len(labels) + 2)
    result = minimize_scalar(
        lambda log: cross_entropy(logits / math.exp(log), labels, label_smoothing=smoothing).item(),
        bounds=(-3, 3),
        method="bounded",
    )
    return math.exp(result.x)
