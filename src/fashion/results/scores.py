"""Score predictions against the truth: accuracy, tables by class, areas under ROC, calibration.

Predictions come as logarithms of probabilities, N x classes: probabilities next to 0 and 1 round to them.
"""

from typing import Any

import numpy as np
from scipy.special import log_softmax

CALIBRATION_BINS = 15  # equal widths of confidence, as in Guo et al., arXiv 1706.04599
CONFUSIONS = 10  # pairs of classes reported, most frequent first


def score(labels: np.ndarray, log_probabilities: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Compute all figures of a test.

    labels: N class numbers. A class without examples has no area under ROC (None) and no part in the macro means.
    """
    predicted = log_probabilities.argmax(1)
    counts = confusion_matrix(labels, predicted, len(classes))
    right, support, guessed = counts.diagonal(), counts.sum(1), counts.sum(0)
    by_class = {
        "precision": right / np.maximum(guessed, 1),
        "recall": right / np.maximum(support, 1),
        "f1": 2 * right / np.maximum(support + guessed, 1),
    }
    areas = roc_areas(labels, log_probabilities)
    known = [area for area in areas if area is not None]
    figures = {"test_accuracy": float((predicted == labels).mean())}
    for average, weights in (("macro", support > 0), ("weighted", support)):
        for key, values in by_class.items():
            figures[f"{average}_{key}"] = float(np.average(values, weights=weights))
    return {
        **figures,
        "roc_auc": float(np.mean(known)) if known else None,
        "expected_calibration_error": calibration_error(labels, log_probabilities),
        "per_class": {
            name: {
                **{key: float(values[number]) for key, values in by_class.items()},
                "support": int(support[number]),
                "roc_auc": areas[number],
            }
            for number, name in enumerate(classes)
        },
        "confusions": confusions(counts, classes),
    }


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count the examples of each actual class (rows) taken for each class (columns)."""
    return np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes**2).reshape(classes, classes)


def roc_areas(labels: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Compute the area under each class's one-v-rest ROC curve; None where all or no examples are of the class.

    scores: N x classes.
    """
    return [roc_area(labels == number, scores[:, number]) for number in range(scores.shape[1])]


def roc_area(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Compute the area under the ROC curve of N scores, where `truth` is to have the higher ones.

    It is the share of pairs, one of each kind, where the right one has the higher score; equal scores count half (Mann
    and Whitney 1947). scikit-learn has the same, and takes a second to import.
    """
    ours, others = int(truth.sum()), int((~truth).sum())
    if ours == 0 or others == 0:
        return None
    _, place, equal = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(equal) - (equal - 1) / 2)[place]
    return float((ranks[truth].sum() - ours * (ours + 1) / 2) / (ours * others))


def reliability(labels: np.ndarray, log_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give mean confidence, accuracy and share of the images for each bin of confidence that has any."""
    sure = np.exp(log_probabilities.max(1).astype(np.float64))
    right = log_probabilities.argmax(1) == labels
    bins = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    confidence = np.bincount(bins, sure, CALIBRATION_BINS)[used] / counts[used]
    accuracy = np.bincount(bins, right, CALIBRATION_BINS)[used] / counts[used]
    return confidence, accuracy, counts[used] / len(labels)


def calibration_error(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Compute the expected calibration error: the mean gap of confidence and accuracy over bins of confidence."""
    confidence, accuracy, share = reliability(labels, log_probabilities)
    return float((share * abs(accuracy - confidence)).sum())


def negative_log_likelihood(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Compute the mean of -log of the probability that the true class was given."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean(dtype=np.float64))


def at_temperature(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Give what log-probabilities, N x classes, become when logits are divided by `temperature`."""
    return log_softmax(log_probabilities.astype(np.float64) / temperature, axis=1)


def calibration(labels: np.ndarray, log_probabilities: np.ndarray, temperature: float) -> dict[str, Any]:
    """Give calibration error and log-likelihood of answers at a temperature, and what they were before it."""
    figures: dict[str, Any] = {"temperature": temperature}
    for when, said in (("before", at_temperature(log_probabilities, 1 / temperature)), ("after", log_probabilities)):
        figures[when] = {
            "expected_calibration_error": calibration_error(labels, said),
            "negative_log_likelihood": negative_log_likelihood(labels, said),
        }
    return figures


def most_confident_mistakes(labels: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Give the numbers of the images that are taken for another class, the surest first."""
    confidence, guesses = log_probabilities.max(1), log_probabilities.argmax(1)
    order = np.argsort(-confidence, kind="stable")
    return order[(guesses != labels)[order]]


def confusions(counts: np.ndarray, classes: list[str]) -> list[dict[str, Any]]:
    """List the most frequent pairs of actual and predicted class that differ, from a confusion matrix."""
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [np.unravel_index(place, wrong.shape) for place in order]
    return [
        {"actual": classes[actual], "predicted": classes[guess], "images": int(wrong[actual, guess])}
        for actual, guess in pairs
        if wrong[actual, guess]
    ]
