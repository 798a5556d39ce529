import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support, roc_auc_score

from fashion.results.metrics import (
    apply_temperature,
    calibration,
    calibration_error,
    confusion_matrix,
    confusions,
    is_scaled,
    negative_log_likelihood,
    score,
)

CLASSES = ["shirt", "coat", "bag"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
LOGS = np.log([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])


def test_metrics_of_six_examples_are_as_computed_by_hand() -> None:
    metrics = score(LABELS, LOGS, CLASSES)
    assert metrics["test_accuracy"] == pytest.approx(5 / 6)
    assert metrics["per_class"]["shirt"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3, "roc_auc": 8 / 9}
    )
    assert metrics["per_class"]["coat"]["precision"] == pytest.approx(2 / 3)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 0.8 + 1) / 3)
    assert metrics["weighted_recall"] == pytest.approx(5 / 6)
    assert metrics["confusions"] == [{"actual": "shirt", "predicted": "coat", "images": 1}]


def test_metrics_are_those_of_scikit_learn() -> None:
    """On 500 examples of 4 classes: one has no examples, one is never predicted, and some scores are equal."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 500)
    logs = np.log(random.dirichlet([2, 2, 1e-3, 1], 500).round(2) + 1e-9)
    metrics = score(labels, logs, [*"abcd"])
    predicted, present = logs.argmax(1), [0, 1, 2]
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(
            labels, predicted, labels=present, average=average, zero_division=0.0
        )
        computed = [metrics[f"{average}_{key}"] for key in ("precision", "recall", "f1")]
        assert computed == pytest.approx(expected[:3])
    for number, name in enumerate("abc"):
        area = roc_auc_score(labels == number, logs[:, number])
        assert metrics["per_class"][name]["roc_auc"] == pytest.approx(area, abs=1e-12)
    np.testing.assert_array_equal(
        confusion_matrix(labels, predicted, 4), sklearn.metrics.confusion_matrix(labels, predicted, labels=range(4))
    )


def test_balanced_accuracy_and_the_share_of_the_largest_class_stand_beside_the_accuracy() -> None:
    """On 100 images of which 90 are of one class, always naming this class is right for 90."""
    labels = np.repeat([0, 1, 2], [90, 8, 2])
    always_first = np.log([[0.8, 0.1, 0.1]]).repeat(100, axis=0)
    metrics = score(labels, always_first, CLASSES)
    assert metrics["test_accuracy"] == metrics["largest_class_share"] == pytest.approx(0.9)
    assert metrics["balanced_accuracy"] == pytest.approx(1 / 3)
    assert metrics["balanced_accuracy"] == balanced_accuracy_score(labels, always_first.argmax(1))


def test_a_class_without_examples_has_no_roc_auc_and_is_left_out_of_macro_means() -> None:
    metrics = score(LABELS[:5], LOGS[:5], CLASSES)
    assert metrics["per_class"]["bag"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0, "roc_auc": None}
    assert metrics["roc_auc"] == pytest.approx(np.mean([metrics["per_class"][name]["roc_auc"] for name in CLASSES[:2]]))
    assert metrics["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)


def test_very_confident_predictions_are_not_rounded() -> None:
    """As float32 probabilities, all would be 1 and 0."""
    logits = np.array([[40.0, 0.0], [60.0, 0.0], [50.0, 0.0]], np.float32)
    labels = np.array([0, 0, 1])
    logs = apply_temperature(logits, 1.0).astype(np.float32)
    assert negative_log_likelihood(labels, logs) == pytest.approx(50 / 3)
    assert apply_temperature(logs, 10.0)[2, 1] == pytest.approx(-5 - np.log1p(np.exp(-5)))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confident = np.log([[1 - 1e-12, 1e-12]] * 4)
    assert calibration_error(np.array([0, 0, 0, 0]), confident) == pytest.approx(0)
    assert calibration_error(np.array([0, 0, 0, 1]), confident) == pytest.approx(0.25)
    # Two bins that err in opposite directions do not cancel.
    mixed = np.log([[1 - 1e-12, 1e-12]] * 2 + [[0.6, 0.4]] * 2)
    assert calibration_error(np.array([0, 1, 0, 0]), mixed) == pytest.approx(0.5 * 0.5 + 0.5 * 0.4)


def draw_predictions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give log-probabilities, and labels drawn from these probabilities, so that confidence equals accuracy."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.3] * 3, count)
    return np.log(probabilities + 1e-300), np.array([random.choice(3, p=row) for row in probabilities])


def test_a_temperature_divides_the_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3))
    log_probabilities, halved = (part - np.log(np.exp(part).sum(1, keepdims=True)) for part in (logits, logits / 2))
    assert apply_temperature(log_probabilities, 2.0) == pytest.approx(halved)


def test_a_temperature_of_one_changes_nothing_and_no_temperature_changes_the_label() -> None:
    assert apply_temperature(LOGS, 1.0) == pytest.approx(LOGS)
    for temperature in (0.1, 10.0):
        scaled = apply_temperature(LOGS, temperature)
        assert (scaled.argmax(1) == LOGS.argmax(1)).all()
        assert np.exp(scaled).sum(1) == pytest.approx(1)


def test_the_right_temperature_reduces_the_calibration_error() -> None:
    log_probabilities, labels = draw_predictions(4000)
    too_confident = apply_temperature(log_probabilities, 0.3)
    metrics = calibration(labels, too_confident, log_probabilities, [1 / 0.3])
    before, after = metrics["before"], metrics["after"]
    assert after["expected_calibration_error"] < 0.3 * before["expected_calibration_error"]
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]
    for scores in (before, after):
        gaps = [row["images"] * abs(row["accuracy"] - row["confidence"]) for row in scores["bins"]]
        assert sum(gaps) / 4000 == pytest.approx(scores["expected_calibration_error"])


def test_a_system_is_scaled_if_one_of_its_classifiers_has_a_temperature() -> None:
    assert not is_scaled([1.0, 1.0])
    assert is_scaled([1.0, 0.9, 1.1])


def test_confusions_are_listed_most_frequent_first() -> None:
    counts = confusion_matrix(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 1, 2]), 3)
    pairs = confusions(counts, CLASSES)
    assert [(pair["actual"], pair["predicted"], pair["images"]) for pair in pairs] == [
        ("coat", "shirt", 2),
        ("shirt", "coat", 1),
    ]
