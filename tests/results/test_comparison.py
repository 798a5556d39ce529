import numpy as np
import pandas as pd
import pytest

from fashion.results.comparison import (
    CURVE_COLUMNS,
    accuracies_table,
    escape_class_names,
    learning_curves,
    roc_curves,
    variants_table,
)

HISTORY = pd.DataFrame(
    {
        "phase": ["adam", "sgd"],
        "epoch": [1, 2],
        "train_loss": [0.5, 0.4],
        "train_accuracy": [0.8, 0.85],
        "val_loss": [0.6, 0.5],
        "val_accuracy": [0.7, 0.75],
    }
)
SCORE = {
    "parameters": 10,
    "epochs": 2,
    "best_epoch": 2,
    "train_accuracy": 0.85,
    "val_accuracy": 0.75,
    "val_balanced_accuracy": 0.7,
    "val_loss": 0.5,
    "test_accuracy": 0.7,
    "macro_f1": 0.7,
    "balanced_accuracy": 0.7,
    "roc_auc": 0.9,
    "expected_calibration_error": 0.1,
    "environment": {"torch": "2"},
    "per_class": {},
}


def test_class_names_in_plots_cannot_end_the_script_of_the_page() -> None:
    assert escape_class_names(["shirt", "<</script>", "<!--", "a<b"]) == ["shirt", "‹‹/script>", "‹!--", "a‹b"]


def test_learning_curves_have_a_row_for_each_epoch_of_each_variant() -> None:
    curves = learning_curves({"base": HISTORY, "wide": HISTORY})
    assert list(curves.columns) == CURVE_COLUMNS
    assert curves["variant"].tolist() == ["base", "base", "wide", "wide"]


def test_the_table_has_metrics_baseline_reported_accuracy_and_comparisons() -> None:
    listed = {"base": {"baseline": None, "reported": 0.7}, "wide": {"baseline": "base", "reported": None}}
    correct = {"base": np.arange(100) < 70, "wide": np.arange(100) < 90}
    table = variants_table({"base": SCORE, "wide": {**SCORE, "val_accuracy": 0.8}}, listed, correct, final="wide")
    assert table["wide"]["baseline"] == "base"
    assert table["base"]["reported"] == 0.7
    assert "per_class" not in table["base"]
    assert table["base"]["test_interval"] == pytest.approx([0.604, 0.781], abs=0.001)
    assert table["base"]["against_baseline"] is None
    assert table["base"]["against_final"]["only_other_right"] == 20
    assert table["wide"]["against_baseline"]["p_value"] < 0.001
    assert table["wide"]["against_final"] is None
    bars = accuracies_table(table)
    assert bars["baseline_val_accuracy"].tolist() == [0.75, 0.75]
    assert bars["val_accuracy"].tolist() == [0.75, 0.8]


def test_systems_without_variants_share_a_plot_without_a_baseline() -> None:
    row = {"val_accuracy": 0.7, "test_accuracy": 0.6}
    ungrouped = {name: {**row, "baseline": None} for name in ("one", "two", "base")}
    bars = accuracies_table({**ungrouped, "wide": {**row, "baseline": "base"}})
    assert bars["group"].tolist() == ["others", "others", "base", "base"]
    assert bars["baseline_val_accuracy"].notna().tolist() == [False, False, True, True]


CLASSES = ["shirt", "coat", "bag"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
SCORES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]]
)


def test_roc_curves_run_from_the_origin_to_the_corner_with_false_positives_on_x() -> None:
    curves = roc_curves(LABELS, SCORES, CLASSES)
    for _, curve in curves.groupby("class"):
        assert curve[["fpr", "tpr"]].iloc[0].tolist() == [0, 0]
        assert curve[["fpr", "tpr"]].iloc[-1].tolist() == [1, 1]
    bag = curves[curves["class"] == "bag"]
    assert [0, 1] in bag[["fpr", "tpr"]].to_numpy().tolist()  # all true positives come before the first false positive


def test_a_class_without_examples_has_no_roc_curve() -> None:
    assert set(roc_curves(LABELS[:5], SCORES[:5], CLASSES)["class"]) == {"shirt", "coat"}
