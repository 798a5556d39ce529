"""Put all systems side by side: one table of figures, the learning curves of all, groups with their baselines."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from fashion.results.significance import accuracy_interval, mcnemar

CURVE_COLUMNS = ["variant", "phase", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
TABLE_KEYS = ("parameters", "epochs", "best_epoch", "train_accuracy", "val_accuracy", "test_accuracy")
FIGURE_KEYS = ("macro_f1", "roc_auc", "expected_calibration_error")


def variants_table(
    scores: dict[str, dict[str, Any]], about: dict[str, dict[str, Any]], correct: dict[str, np.ndarray], *, final: str
) -> dict[str, dict[str, Any]]:
    """Pick what is compared of each system's scores, and add its `baseline`, the `reported` figure, and what is chance.

    correct: which test images each system has right, N booleans. final: the system that all others are tested against,
    besides each against its baseline; a system is not tested against itself.
    """
    table = {}
    for name, score in scores.items():
        table[name] = {key: score[key] for key in (*TABLE_KEYS, *FIGURE_KEYS)} | about[name]
        table[name]["test_interval"] = accuracy_interval(correct[name])
        for key, other in (("against_baseline", about[name]["baseline"]), ("against_final", final)):
            there = other is not None and other != name
            table[name][key] = mcnemar(correct[name], correct[other]) if there else None
        table[name]["environment"] = score["environment"]
    return table


def names_to_plot(classes: list[str]) -> list[str]:
    """Name the classes in the tables behind DVC's plots.

    DVC writes them as they are into the script of a page, where `</script>` would end it and `<!--` break it.
    """
    return [name.replace("<", "‹") for name in classes]


def learning_curves(histories: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack the histories, long form, a row an epoch of a variant."""
    return pd.concat([history.assign(variant=name) for name, history in histories.items()])[CURVE_COLUMNS]


def roc_curves(labels: np.ndarray, scores: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Draw one-v-rest ROC curves, long form: class, fpr (the x axis), tpr (the y axis).

    labels: N class numbers. scores: N x classes, of which the order alone counts.
    """
    curves = []
    for number, name in enumerate(classes):
        truth = labels == number
        if truth.any() and not truth.all():
            fpr, tpr, _ = roc_curve(truth, scores[:, number])
            curves.append(pd.DataFrame({"class": name, "fpr": fpr, "tpr": tpr}))
    return pd.concat(curves) if curves else pd.DataFrame(columns=["class", "fpr", "tpr"])


def accuracies_to_plot(table: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Give each variant's best validation accuracy beside its baseline's, with its group: the name of the baseline.

    A system that nothing is compared with is one of the `others`, which have no baseline.
    """
    baselines = {row["baseline"] for row in table.values()}
    rows = []
    for name, row in table.items():
        alone = row["baseline"] is None and name not in baselines
        rows.append(
            {
                "group": "others" if alone else row["baseline"] or name,
                "variant": name,
                "val_accuracy": row["val_accuracy"],
                "test_accuracy": row["test_accuracy"],
                "baseline_val_accuracy": None if alone else table[row["baseline"] or name]["val_accuracy"],
            }
        )
    return pd.DataFrame(rows)
