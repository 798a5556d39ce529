"""Score predictions against the truth: accuracy, tables by class, ROC, calibration."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score, roc_curve

CALIBRATION_BINS = 15  # equal widths of confidence, as in Guo et al., arXiv 1706.04599
SMALLEST = 1e-12  # a probability that rounds to 0 is taken for this
CONFUSIONS = 10  # pairs of classes reported, most frequent first


def score(labels: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Compute all figures of a test.

    labels: N class numbers. probabilities: N x classes. What a class without examples leaves undefined is None.
    """
    predicted = probabilities.argmax(1)
    numbers = np.arange(len(classes))
    by_class = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    areas = roc_areas(labels, probabilities)
    known = [area for area in areas if area is not None]
    figures = {"test_accuracy": float((predicted == labels).mean())}
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, labels=numbers, average=average, zero_division=0.0
        )
        figures |= {
            f"{average}_precision": float(precision),
            f"{average}_recall": float(recall),
            f"{average}_f1": float(f1),
        }
    return {
        **figures,
        "roc_auc": float(np.mean(known)) if known else None,
        "expected_calibration_error": calibration_error(labels, probabilities),
        "per_class": {
            name: {
                "precision": float(by_class[0][number]),
                "recall": float(by_class[1][number]),
                "f1": float(by_class[2][number]),
                "support": int(by_class[3][number]),
                "roc_auc": areas[number],
            }
            for number, name in enumerate(classes)
        },
        "confusions": confusions(labels, predicted, classes),
    }


def roc_areas(labels: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    """Compute the area under each class's one-v-rest ROC curve; None where all or no examples are of the class."""
    truths = [labels == number for number in range(probabilities.shape[1])]
    return [
        float(roc_auc_score(truth, probabilities[:, number])) if truth.any() and not truth.all() else None
        for number, truth in enumerate(truths)
    ]


def roc_curves(labels: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Draw one-v-rest ROC curves, long form: class, fpr (the x axis), tpr (the y axis)."""
    curves = []
    for number, name in enumerate(classes):
        truth = labels == number
        if truth.any() and not truth.all():
            fpr, tpr, _ = roc_curve(truth, probabilities[:, number])
            curves.append(pd.DataFrame({"class": name, "fpr": fpr, "tpr": tpr}))
    return pd.concat(curves) if curves else pd.DataFrame(columns=["class", "fpr", "tpr"])


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the expected calibration error: the mean gap of confidence and accuracy over bins of confidence."""
    confidence = probabilities.max(1).astype(np.float64)
    correct = probabilities.argmax(1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [abs(correct[bins == number].sum() - confidence[bins == number].sum()) for number in range(CALIBRATION_BINS)]
    return float(sum(gaps) / len(labels))


def negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the mean of -log of the probability that the true class was given."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels].clip(SMALLEST)).mean())


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Find what to divide logits by so that confidence fits accuracy (Guo et al., arXiv 1706.04599).

    labels: N class numbers. probabilities: N x classes. To be fitted on validation, and never on test, images.
    """
    found = minimize_scalar(
        lambda log: negative_log_likelihood(labels, at_temperature(probabilities, np.exp(log))),
        bounds=(-3, 3),
        method="bounded",
    )
    return float(np.exp(found.x))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Give the probabilities, N x classes, that follow when logits are divided by `temperature`."""
    scaled = np.log(probabilities.astype(np.float64).clip(SMALLEST)) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def calibration(
    val_labels: np.ndarray, validation: np.ndarray, test_labels: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Fit a temperature on validation, and give calibration error and log-likelihood on test before and after."""
    temperature = fit_temperature(val_labels, validation)
    figures: dict[str, Any] = {"temperature": temperature}
    for when, probabilities in (("before", test), ("after", at_temperature(test, temperature))):
        figures[when] = {
            "expected_calibration_error": calibration_error(test_labels, probabilities),
            "negative_log_likelihood": negative_log_likelihood(test_labels, probabilities),
        }
    return figures


def confusions(labels: np.ndarray, predicted: np.ndarray, classes: list[str]) -> list[dict[str, Any]]:
    """List the most frequent pairs of actual and predicted class that differ."""
    counts = confusion_matrix(labels, predicted, labels=np.arange(len(classes)))
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [np.unravel_index(place, counts.shape) for place in order]
    return [
        {"actual": classes[actual], "predicted": classes[guess], "images": int(counts[actual, guess])}
        for actual, guess in pairs
        if counts[actual, guess]
    ]
