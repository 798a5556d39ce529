import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fashion.results.scores import (
    at_temperature,
    calibration,
    calibration_error,
    confusions,
    fit_temperature,
    roc_curves,
    score,
)

CLASSES = ["shirt", "coat", "bag"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]]
)


def test_figures_of_a_small_test_are_as_counted_by_hand() -> None:
    figures = score(LABELS, PROBABILITIES, CLASSES)
    assert figures["test_accuracy"] == pytest.approx(5 / 6)
    assert figures["per_class"]["shirt"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3, "roc_auc": 8 / 9}
    )
    assert figures["per_class"]["coat"]["precision"] == pytest.approx(2 / 3)
    assert figures["macro_f1"] == pytest.approx((0.8 + 0.8 + 1) / 3)
    assert figures["weighted_recall"] == pytest.approx(5 / 6)
    assert figures["confusions"] == [{"actual": "shirt", "predicted": "coat", "images": 1}]


def test_the_area_under_roc_is_the_macro_mean_of_one_against_the_rest() -> None:
    expected = roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr", average="macro")
    assert score(LABELS, PROBABILITIES, CLASSES)["roc_auc"] == pytest.approx(expected)


def test_roc_curves_run_from_the_origin_to_the_corner_with_false_positives_on_x() -> None:
    curves = roc_curves(LABELS, PROBABILITIES, CLASSES)
    for _, curve in curves.groupby("class"):
        assert curve[["fpr", "tpr"]].iloc[0].tolist() == [0, 0]
        assert curve[["fpr", "tpr"]].iloc[-1].tolist() == [1, 1]
    bag = curves[curves["class"] == "bag"]
    assert [0, 1] in bag[["fpr", "tpr"]].to_numpy().tolist()  # perfectly told apart: all true before any false


def test_a_class_without_examples_leaves_its_area_open_and_the_rest_defined() -> None:
    figures = score(LABELS[:5], PROBABILITIES[:5], CLASSES)
    assert figures["per_class"]["bag"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0, "roc_auc": None}
    assert figures["roc_auc"] is not None
    assert set(roc_curves(LABELS[:5], PROBABILITIES[:5], CLASSES)["class"]) == {"shirt", "coat"}


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    sure = np.array([[1.0, 0.0]] * 4)
    assert calibration_error(np.array([0, 0, 0, 0]), sure) == 0
    assert calibration_error(np.array([0, 0, 0, 1]), sure) == pytest.approx(0.25)
    # Two bins that err in opposite directions do not cancel.
    mixed = np.array([[1.0, 0.0]] * 2 + [[0.6, 0.4]] * 2)
    assert calibration_error(np.array([0, 1, 0, 0]), mixed) == pytest.approx(0.5 * 0.5 + 0.5 * 0.4)


def test_the_fitted_temperature_undoes_what_logits_were_multiplied_by() -> None:
    random = np.random.default_rng(0)
    fitting = at_temperature(random.dirichlet([0.3] * 3, 4000), 1.0)
    labels = np.array([random.choice(3, p=row) for row in fitting])  # confidence is accuracy, as drawn
    assert fit_temperature(labels, fitting) == pytest.approx(1, abs=0.05)
    assert fit_temperature(labels, at_temperature(fitting, 0.5)) == pytest.approx(2, abs=0.1)


def test_a_temperature_divides_the_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3))
    whole, halved = (np.exp(part) / np.exp(part).sum(1, keepdims=True) for part in (logits, logits / 2))
    assert at_temperature(whole, 2.0) == pytest.approx(halved)


def test_a_temperature_of_one_changes_nothing_and_none_changes_the_guess() -> None:
    assert at_temperature(PROBABILITIES, 1.0) == pytest.approx(PROBABILITIES)
    for temperature in (0.1, 10.0):
        scaled = at_temperature(PROBABILITIES, temperature)
        assert (scaled.argmax(1) == PROBABILITIES.argmax(1)).all()
        assert scaled.sum(1) == pytest.approx(1)


def test_scaling_by_validation_brings_the_calibration_error_on_test_down() -> None:
    random = np.random.default_rng(0)
    fitting = random.dirichlet([0.3] * 3, 8000)
    labels = np.array([random.choice(3, p=row) for row in fitting])
    too_sure = at_temperature(fitting, 0.3)
    figures = calibration(labels[:4000], too_sure[:4000], labels[4000:], too_sure[4000:])
    before, after = figures["before"], figures["after"]
    assert after["expected_calibration_error"] < 0.3 * before["expected_calibration_error"]
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]


def test_confusions_are_listed_most_frequent_first() -> None:
    pairs = confusions(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 1, 2]), CLASSES)
    assert [(pair["actual"], pair["predicted"], pair["images"]) for pair in pairs] == [
        ("coat", "shirt", 2),
        ("shirt", "coat", 1),
    ]
