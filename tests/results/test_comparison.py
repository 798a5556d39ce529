import numpy as np
import pandas as pd
import pytest

from fashion.results.comparison import (
    CURVE_COLUMNS,
    accuracies_to_plot,
    learning_curves,
    names_to_plot,
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
    "test_accuracy": 0.7,
    "macro_f1": 0.7,
    "roc_auc": 0.9,
    "expected_calibration_error": 0.1,
    "environment": {"torch": "2"},
    "per_class": {},
}
GROUPS = {"base": "base", "wide": "base"}


def test_class_names_in_plots_cannot_end_the_script_of_their_page() -> None:
    assert names_to_plot(["shirt", "<</script>", "<!--", "a<b"]) == ["shirt", "‹‹/script>", "‹!--", "a‹b"]


def test_learning_curves_have_a_row_for_each_epoch_of_each_variant() -> None:
    curves = learning_curves({"base": HISTORY, "wide": HISTORY})
    assert list(curves.columns) == CURVE_COLUMNS
    assert curves["variant"].tolist() == ["base", "base", "wide", "wide"]


def test_the_table_keeps_what_is_compared_and_adds_baseline_and_reported_figure() -> None:
    about = {"base": {"baseline": None, "reported": 0.7}, "wide": {"baseline": "base", "reported": None}}
    correct = {"base": np.arange(100) < 70, "wide": np.arange(100) < 90}
    table = variants_table({"base": SCORE, "wide": {**SCORE, "val_accuracy": 0.8}}, about, correct, final="wide")
    assert table["wide"]["baseline"] == "base"
    assert table["base"]["reported"] == 0.7
    assert "per_class" not in table["base"]
    assert table["base"]["test_interval"] == pytest.approx([0.604, 0.781], abs=0.001)
    assert table["base"]["against_baseline"] is None
    assert table["base"]["against_final"]["only_other_right"] == 20
    assert table["wide"]["against_baseline"]["p_value"] < 0.001
    assert table["wide"]["against_final"] is None
    bars = accuracies_to_plot(table, GROUPS)
    assert bars["baseline_val_accuracy"].tolist() == [0.75, 0.75]
    assert bars["val_accuracy"].tolist() == [0.75, 0.8]
