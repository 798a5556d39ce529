import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from fashion.results.scores import (
    at_temperature,
    calibration,
    calibration_error,
    confusion_matrix,
    confusions,
    negative_log_likelihood,
    score,
)

CLASSES = ["shirt", "coat", "bag"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
LOGS = np.log([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])


def test_figures_of_a_small_test_are_as_counted_by_hand() -> None:
    figures = score(LABELS, LOGS, CLASSES)
    assert figures["test_accuracy"] == pytest.approx(5 / 6)
    assert figures["per_class"]["shirt"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3, "roc_auc": 8 / 9}
    )
    assert figures["per_class"]["coat"]["precision"] == pytest.approx(2 / 3)
    assert figures["macro_f1"] == pytest.approx((0.8 + 0.8 + 1) / 3)
    assert figures["weighted_recall"] == pytest.approx(5 / 6)
    assert figures["confusions"] == [{"actual": "shirt", "predicted": "coat", "images": 1}]


def test_figures_are_those_of_scikit_learn() -> None:
    """On 500 examples of 4 classes, one of them absent and one never guessed, with equal scores among them."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 500)
    logs = np.log(random.dirichlet([2, 2, 1e-3, 1], 500).round(2) + 1e-9)
    figures = score(labels, logs, [*"abcd"])
    guesses, present = logs.argmax(1), [0, 1, 2]
    for average, wanted in (("macro", present), ("weighted", present)):
        theirs = precision_recall_fscore_support(labels, guesses, labels=wanted, average=average, zero_division=0.0)
        ours = [figures[f"{average}_{key}"] for key in ("precision", "recall", "f1")]
        assert ours == pytest.approx(theirs[:3])
    for number, name in enumerate("abc"):
        area = roc_auc_score(labels == number, logs[:, number])
        assert figures["per_class"][name]["roc_auc"] == pytest.approx(area, abs=1e-12)
    np.testing.assert_array_equal(
        confusion_matrix(labels, guesses, 4), sklearn.metrics.confusion_matrix(labels, guesses, labels=range(4))
    )


def test_a_class_without_examples_has_no_area_and_no_part_in_the_macro_means() -> None:
    figures = score(LABELS[:5], LOGS[:5], CLASSES)
    assert figures["per_class"]["bag"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0, "roc_auc": None}
    assert figures["roc_auc"] == pytest.approx(np.mean([figures["per_class"][name]["roc_auc"] for name in CLASSES[:2]]))
    assert figures["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)


def test_very_confident_answers_are_told_from_each_other() -> None:
    """As probabilities of 32 bits, all of them are 1 and 0."""
    logits = np.array([[40.0, 0.0], [60.0, 0.0], [50.0, 0.0]], np.float32)
    labels = np.array([0, 0, 1])
    logs = at_temperature(logits, 1.0).astype(np.float32)
    assert negative_log_likelihood(labels, logs) == pytest.approx(50 / 3)
    assert at_temperature(logs, 10.0)[2, 1] == pytest.approx(-5 - np.log1p(np.exp(-5)))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    sure = np.log([[1 - 1e-12, 1e-12]] * 4)
    assert calibration_error(np.array([0, 0, 0, 0]), sure) == pytest.approx(0)
    assert calibration_error(np.array([0, 0, 0, 1]), sure) == pytest.approx(0.25)
    # Two bins that err in opposite directions do not cancel.
    mixed = np.log([[1 - 1e-12, 1e-12]] * 2 + [[0.6, 0.4]] * 2)
    assert calibration_error(np.array([0, 1, 0, 0]), mixed) == pytest.approx(0.5 * 0.5 + 0.5 * 0.4)


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give log-probabilities, and labels drawn by them, so that confidence is accuracy."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.3] * 3, count)
    return np.log(probabilities + 1e-300), np.array([random.choice(3, p=row) for row in probabilities])


def test_a_temperature_divides_the_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3))
    whole, halved = (part - np.log(np.exp(part).sum(1, keepdims=True)) for part in (logits, logits / 2))
    assert at_temperature(whole, 2.0) == pytest.approx(halved)


def test_a_temperature_of_one_changes_nothing_and_none_changes_the_guess() -> None:
    assert at_temperature(LOGS, 1.0) == pytest.approx(LOGS)
    for temperature in (0.1, 10.0):
        scaled = at_temperature(LOGS, temperature)
        assert (scaled.argmax(1) == LOGS.argmax(1)).all()
        assert np.exp(scaled).sum(1) == pytest.approx(1)


def test_a_temperature_that_fits_brings_the_calibration_error_down() -> None:
    said, labels = drawn(4000)
    figures = calibration(labels, said, 1 / 0.3)  # 0.3 would give them back as they were, too sure
    before, after = figures["before"], figures["after"]
    assert after["expected_calibration_error"] < 0.3 * before["expected_calibration_error"]
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]


def test_confusions_are_listed_most_frequent_first() -> None:
    counts = confusion_matrix(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 1, 2]), 3)
    pairs = confusions(counts, CLASSES)
    assert [(pair["actual"], pair["predicted"], pair["images"]) for pair in pairs] == [
        ("coat", "shirt", 2),
        ("shirt", "coat", 1),
    ]
