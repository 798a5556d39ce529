"""Compare all systems: tables of metrics, learning curves, ROC curves, accuracies beside those of the baselines."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from fashion.results.significance import correct_for_number, mcnemar, wilson_interval

CURVE_COLUMNS = ["variant", "phase", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
TRAINING_KEYS = (
    *("parameters", "epochs", "best_epoch", "train_accuracy", "val_accuracy", "val_balanced_accuracy", "val_loss"),
    "test_accuracy",
)
SUMMARY_KEYS = ("val_accuracy", "test_accuracy", "macro_f1")
METRIC_KEYS = ("macro_f1", "balanced_accuracy", "roc_auc", "expected_calibration_error")


def variants_table(
    scores: dict[str, dict[str, Any]], listed: dict[str, dict[str, Any]], correct: dict[str, np.ndarray], *, final: str
) -> dict[str, dict[str, Any]]:
    """Make the table of all systems: some of their scores, confidence intervals and significance tests.

    scores: see stages/models/evaluate.py. listed: `baseline` and `reported` accuracy of each system.
    correct: N booleans for each system, whether it predicts a test image correctly. final: name of the final model.
    Each system is tested against its baseline and against the final model, but not against itself; the p-values of each
    of the two are corrected for the number of systems.
    """
    table = {}
    for name, score in scores.items():
        table[name] = {key: score[key] for key in (*TRAINING_KEYS, *METRIC_KEYS)} | listed[name]
        table[name]["test_interval"] = wilson_interval(int(correct[name].sum()), len(correct[name]))
        for key, other in (("against_baseline", listed[name]["baseline"]), ("against_final", final)):
            comparable = other is not None and other != name
            table[name][key] = mcnemar(correct[name], correct[other]) if comparable else None
        table[name]["environment"] = score["environment"]
        if "pretrained" in score:
            table[name]["pretrained"] = score["pretrained"]
    for key in ("against_baseline", "against_final"):
        correct_for_number(row[key] for row in table.values())
    return table


def summary(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Reduce the table of all systems to what is compared first: both accuracies and the macro F1 of each system.

    >>> summary({"base": {"epochs": 6, "val_accuracy": 0.9, "test_accuracy": 0.8, "macro_f1": 0.7}})
    {'base': {'val_accuracy': 0.9, 'test_accuracy': 0.8, 'macro_f1': 0.7}}
    """
    return {name: {key: row[key] for key in SUMMARY_KEYS} for name, row in table.items()}


def with_intervals(per_class: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add the 95% interval of each class's recall to the metrics of the classes."""
    return {
        name: {**row, "recall_interval": wilson_interval(round(row["recall"] * row["support"]), row["support"])}
        for name, row in per_class.items()
    }


def escape_class_names(classes: list[str]) -> list[str]:
    """Replace `<` in class names for the tables of DVC's plots.

    DVC writes the names unescaped into the script of a page: `</script>` would end it, and `<!--` would break it.

    >>> escape_class_names(["</script>"])
    ['‹/script>']
    """
    return [name.replace("<", "‹") for name in classes]


def learning_curves(histories: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the histories of all variants, with a row for each validation."""
    return pd.concat([history.assign(variant=name) for name, history in histories.items()])[CURVE_COLUMNS]


def roc_curves(labels: np.ndarray, scores: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Compute the one-vs-rest ROC curves of all classes, in long form: class, fpr (x axis), tpr (y axis).

    labels: N class indices. scores: N x classes; only their order counts. Classes without a curve, since all or no
    examples are of the class, are left out.
    """
    curves = []
    for index, name in enumerate(classes):
        positive = labels == index
        if positive.any() and not positive.all():
            fpr, tpr, _ = roc_curve(positive, scores[:, index])
            curves.append(pd.DataFrame({"class": name, "fpr": fpr, "tpr": tpr}))
    return pd.concat(curves) if curves else pd.DataFrame(columns=["class", "fpr", "tpr"])


def accuracies_table(table: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """List each variant's best validation accuracy and that of its baseline, with its group: the name of the baseline.

    A system that neither has nor is a baseline is in the group `others`, without the accuracy of a baseline.
    """
    baselines = {row["baseline"] for row in table.values()}
    rows = []
    for name, row in table.items():
        ungrouped = row["baseline"] is None and name not in baselines
        rows.append(
            {
                "group": "others" if ungrouped else row["baseline"] or name,
                "variant": name,
                "val_accuracy": row["val_accuracy"],
                "test_accuracy": row["test_accuracy"],
                "baseline_val_accuracy": None if ungrouped else table[row["baseline"] or name]["val_accuracy"],
            }
        )
    return pd.DataFrame(rows)
