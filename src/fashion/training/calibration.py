"""Calibrate a trained network on validation images: temperature, and threshold for out-of-distribution images."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from fashion.classifier.classifier import Classifier, energy_score

IN_DISTRIBUTION = 0.95  # fraction of the validation images above the threshold
FOLDS = 5  # of the validation images: a temperature that is fitted on four of them is tried on the fifth


def calibrate(classifier: Classifier, logits: Tensor, labels: np.ndarray) -> None:
    """Set temperature and threshold by images that the classifier has not seen, from their logits, N x classes."""
    logits = logits.double()
    classifier.temperature = choose_temperature(logits, torch.tensor(labels, dtype=torch.int64))
    classifier.threshold = float(energy_score(logits).quantile(1 - IN_DISTRIBUTION))


def choose_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the temperature of logits, N x classes; 1 unless it lowers the log loss of images it is not fitted on."""
    return fit_temperature(logits, labels) if held_out_gain(logits, labels) > 0 else 1.0


def held_out_gain(logits: Tensor, labels: Tensor) -> float:
    """Compute by how much a temperature lowers the mean log loss of images that it is not fitted on.

    Each temperature is fitted on all but one of `FOLDS` folds, and applied to that one. Every fifth image is in the
    same fold, for all classes to be in each where the images are in the order of their classes.
    """
    folds = torch.arange(len(labels)) % FOLDS
    gains = []
    for fold in folds.unique():
        held_out = folds == fold
        fitted_on = ~held_out
        if not fitted_on.any():  # a single image
            return 0.0
        temperature = fit_temperature(logits[fitted_on], labels[fitted_on])
        before = cross_entropy(logits[held_out], labels[held_out], reduction="sum")
        after = cross_entropy(logits[held_out] / temperature, labels[held_out], reduction="sum")
        gains.append((before - after).item())
    return math.fsum(gains) / len(labels)


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
