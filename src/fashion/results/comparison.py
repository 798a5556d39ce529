"""Put all systems side by side: one table of figures, the learning curves of all, groups with their baselines."""

from typing import Any

import numpy as np
import pandas as pd

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


def accuracies_to_plot(table: dict[str, dict[str, Any]], groups: dict[str, str]) -> pd.DataFrame:
    """Give each variant's best validation accuracy beside its baseline's, with its group."""
    return pd.DataFrame(
        {
            "group": groups[name],
            "variant": name,
            "val_accuracy": row["val_accuracy"],
            "test_accuracy": row["test_accuracy"],
            "baseline_val_accuracy": table[row["baseline"] or name]["val_accuracy"],
        }
        for name, row in table.items()
    )
