"""Compute metrics of predictions: accuracy, precision, recall, F1, ROC AUC, calibration error.

Predictions are log-probabilities, N x classes, since probabilities close to 0 and 1 would be rounded to 0 and 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax

CALIBRATION_BINS = 15  # bins of confidence, of equal width, as in Guo et al., arXiv 1706.04599
MAX_CONFUSIONS = 10  # pairs of classes reported, most frequent first


def score(labels: np.ndarray, log_probabilities: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Compute all metrics of a test.

    labels: N class indices. classes: names, by index.
    A class without examples has no ROC AUC (None), and is left out of the macro means. `largest_class_share` is the
    accuracy of always predicting the most frequent class; `balanced_accuracy` is the accuracy if all classes were
    equally frequent, the macro mean of the recalls.
    """
    predicted = log_probabilities.argmax(1)
    counts = confusion_matrix(labels, predicted, len(classes))
    true_positives, support, num_predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    by_class = {
        "precision": true_positives / np.maximum(num_predicted, 1),
        "recall": true_positives / np.maximum(support, 1),
        "f1": 2 * true_positives / np.maximum(support + num_predicted, 1),
    }
    areas = roc_auc_by_class(labels, log_probabilities)
    defined_areas = [area for area in areas if area is not None]
    metrics = {"test_accuracy": float((predicted == labels).mean())}
    for average, weights in (("macro", support > 0), ("weighted", support)):
        for key, values in by_class.items():
            metrics[f"{average}_{key}"] = float(np.average(values, weights=weights))
    return {
        **metrics,
        "balanced_accuracy": metrics["macro_recall"],
        "largest_class_share": float(support.max() / support.sum()),
        "roc_auc": float(np.mean(defined_areas)) if defined_areas else None,
        "expected_calibration_error": calibration_error(labels, log_probabilities),
        "per_class": {
            name: {
                **{key: float(values[index]) for key, values in by_class.items()},
                "support": int(support[index]),
                "roc_auc": areas[index],
            }
            for index, name in enumerate(classes)
        },
        "confusions": confusions(counts, classes),
    }


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
    """Compute the mean of the recalls of the classes that have examples. labels, predicted: N class indices."""
    counts = confusion_matrix(labels, predicted, num_classes)
    support = counts.sum(1)
    return float(np.mean(counts.diagonal()[support > 0] / support[support > 0]))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the examples by actual class (rows) and predicted class (columns).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    pairs = labels.astype(np.int64) * num_classes + predicted
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def roc_auc_by_class(labels: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Compute the one-vs-rest ROC AUC of each class; None if all or no examples are of the class.

    scores: N x classes.
    """
    return [roc_auc(labels == index, scores[:, index]) for index in range(scores.shape[1])]


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> float | None:
    """Compute the area under the ROC curve of N scores; None if all or no examples are positive.

    positive: N booleans.
    The area is the share of pairs of a positive and a negative example in which the positive one has the higher score;
    equal scores count half (Mann and Whitney 1947). scikit-learn has the same, but takes a second to import.

    >>> roc_auc(np.array([False, True, True]), np.array([0.2, 0.1, 0.9]))
    0.5
    """
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if num_positive == 0 or num_negative == 0:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal scores get their mean rank
    rank_sum = ranks[positive].sum()
    return float((rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative))


def reliability(labels: np.ndarray, log_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute mean confidence, accuracy and share of the images for each bin of confidence, without empty bins."""
    confidence = np.exp(log_probabilities.max(1).astype(np.float64))
    correct = log_probabilities.argmax(1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    mean_confidence = np.bincount(bins, confidence, CALIBRATION_BINS)[used] / counts[used]
    accuracy = np.bincount(bins, correct, CALIBRATION_BINS)[used] / counts[used]
    return mean_confidence, accuracy, counts[used] / len(labels)


def reliability_bins(labels: np.ndarray, log_probabilities: np.ndarray) -> list[dict[str, float]]:
    """List confidence, accuracy and number of images of each bin of confidence."""
    columns = (values.tolist() for values in reliability(labels, log_probabilities))
    return [
        {"confidence": confidence, "accuracy": accuracy, "images": round(share * len(labels))}
        for confidence, accuracy, share in zip(*columns, strict=True)
    ]


def calibration_error(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Compute the expected calibration error: the mean gap between confidence and accuracy over all bins."""
    confidence, accuracy, share = reliability(labels, log_probabilities)
    return float((share * abs(accuracy - confidence)).sum())


def negative_log_likelihood(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Compute the mean of -log of the predicted probability of the true class."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean(dtype=np.float64))


def apply_temperature(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Compute the log-probabilities, N x classes, that result if the logits are divided by `temperature`."""
    return log_softmax(log_probabilities.astype(np.float64) / temperature, axis=1)


def calibration(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray, temperatures: Sequence[float]
) -> dict[str, Any]:
    """Compute calibration error, log loss and bins of confidence before and after temperature scaling.

    before, after: log-probabilities, N x classes. temperatures: of the classifiers that gave them; `temperature` is
    their mean.
    """
    metrics: dict[str, Any] = {"temperature": float(np.mean(temperatures)), "temperatures": list(temperatures)}
    for when, scores in (("before", before), ("after", after)):
        metrics[when] = {
            "expected_calibration_error": calibration_error(labels, scores),
            "negative_log_likelihood": negative_log_likelihood(labels, scores),
            "bins": reliability_bins(labels, scores),
        }
    return metrics


def is_scaled(temperatures: Sequence[float]) -> bool:
    """Tell whether a temperature is applied by any of the classifiers."""
    return any(temperature != 1 for temperature in temperatures)


def describe_temperatures(temperatures: Sequence[float]) -> str:
    """Format a temperature, or the lowest and the highest of several.

    >>> describe_temperatures([0.625]), describe_temperatures([0.7, 1.0, 0.625])
    ('temperature 0.62', 'temperatures from 0.62 to 1.00')
    """
    low, high = f"{min(temperatures):.2f}", f"{max(temperatures):.2f}"
    return f"temperature {low}" if low == high else f"temperatures from {low} to {high}"


def mistakes_by_confidence(labels: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Give the indices of the images that are predicted wrongly, highest confidence first."""
    confidence, predicted = log_probabilities.max(1), log_probabilities.argmax(1)
    order = np.argsort(-confidence, kind="stable")
    return order[(predicted != labels)[order]]


def confusions(counts: np.ndarray, classes: list[str]) -> list[dict[str, Any]]:
    """List the most frequent pairs of an actual and a different predicted class, from a confusion matrix."""
    errors = counts - np.diag(counts.diagonal())
    order = np.argsort(-errors, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [np.unravel_index(flat_index, errors.shape) for flat_index in order]
    return [
        {"actual": classes[actual], "predicted": classes[predicted], "images": int(errors[actual, predicted])}
        for actual, predicted in pairs
        if errors[actual, predicted]
    ]
