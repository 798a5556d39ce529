import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from fashion.results.wrong_labels import find_wrong_labels

CHANGED = 90  # of 1,797: 5%


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the true labels of digits, labels of which 5% are changed, and out-of-fold probabilities."""
    images, true = load_digits(return_X_y=True)
    labels, rng = true.copy(), np.random.default_rng(0)
    changed = rng.choice(len(labels), CHANGED, replace=False)
    labels[changed] = (labels[changed] + rng.integers(1, 10, CHANGED)) % 10
    model = LogisticRegression(C=0.01, max_iter=1000)
    return true, labels, cross_val_predict(model, images / 16, labels, cv=3, method="predict_proba")


def test_changed_labels_are_found_with_the_true_ones(digits: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    true, labels, probabilities = digits
    found = find_wrong_labels(labels, probabilities)
    first = found[:CHANGED]
    assert np.mean([labels[index] != true[index] for index, _, _ in first]) > 0.8
    right = [likelier == true[index] for index, likelier, _ in first if labels[index] != true[index]]
    assert np.mean(right) > 0.9
    scores = [score for _, _, score in found]
    assert scores == sorted(scores)
    assert -1 <= scores[0] < 0


def test_right_labels_of_which_models_are_sure_are_not_listed() -> None:
    labels = np.arange(100) % 4
    probabilities = np.full((100, 4), 0.01)
    probabilities[np.arange(100), labels] = 0.97
    assert find_wrong_labels(labels, probabilities) == []


def test_a_class_without_images_is_no_error() -> None:
    labels = np.arange(60) % 3
    probabilities = np.full((60, 4), 0.02)
    probabilities[np.arange(60), labels] = 0.94
    probabilities[5] = [0.97, 0.01, 0.01, 0.01]
    assert [(index, likelier) for index, likelier, _ in find_wrong_labels(labels, probabilities)] == [(5, 0)]
