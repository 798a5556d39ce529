"""Compare all systems: the files in metrics/ and the tables of the plots.

python -m stages.results.compare
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion.files import read_array, read_json, write_json, write_text
from fashion.images.parts import read_test_samples
from fashion.params import Params
from fashion.results.audit import read_rows, with_copy_elsewhere
from fashion.results.choice import best_by_validation
from fashion.results.comparison import (
    accuracies_table,
    escape_class_names,
    learning_curves,
    roc_curves,
    summary,
    variants_table,
    with_intervals,
)
from fashion.settings.fields import FINAL
from fashion.settings.model import FinalModel, Variant
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    systems: dict[str, Variant | FinalModel] = {**params.variants, FINAL: params.model}
    for folder in (paths.EVALUATED, paths.HISTORIES):
        remove_stale(folder, set(systems))
    scores = {name: read_json(paths.scores(name)) for name in systems}
    listed = {name: {"baseline": system.baseline, "reported": system.reported} for name, system in systems.items()}
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    correct = {name: read_array(paths.log_probabilities(name)).argmax(1) == labels for name in systems}
    table = variants_table(scores, listed, correct, final=FINAL)
    write_json(paths.METRICS / "variants.json", table)
    write_summary(summary(table))
    per_class = with_intervals(scores[FINAL]["per_class"])
    additions = {"per_class": per_class, "without_copies": without_copies(correct[FINAL])}
    write_json(paths.METRICS / "final.json", scores[FINAL] | additions)
    write_table("learning_curves", learning_curves({name: pd.read_csv(paths.history(name)) for name in systems}))
    write_table("accuracies", accuracies_table(table))

    log_probabilities = read_array(paths.log_probabilities(FINAL))
    classes = escape_class_names(list(scores[FINAL]["per_class"]))
    actual, predicted = np.array(classes)[labels], np.array(classes)[log_probabilities.argmax(1)]
    write_table("confusion", pd.DataFrame({"actual": actual, "predicted": predicted}))
    write_table("roc", roc_curves(labels, np.asarray(log_probabilities), classes).round(5))
    best = best_by_validation(table, params.variants, params.train.choose_by)
    for name in (best, FINAL):
        row = table[name]
        print(f"{name}: validation {row['val_accuracy']:.4f}, test {row['test_accuracy']:.4f}", flush=True)


def write_summary(rows: dict[str, dict[str, float]]) -> None:
    """Write the summary as one file, and as a file for each system: `dvc metrics show` prints a file as a row."""
    write_json(paths.METRICS / "summary.json", rows)
    for name, row in rows.items():
        write_json(paths.system_metrics(name), row)
    remove_stale(paths.SYSTEM_METRICS, set(rows))


def without_copies(correct: np.ndarray) -> dict[str, Any]:
    """Compute the accuracy on the test images that have no copy, exact or near, among other images.

    correct: whether each test image is predicted correctly.
    """
    copied = with_copy_elsewhere(read_rows(paths.AUDIT / "copies.csv"))
    kept = np.array([sample["file"] not in copied for sample in read_test_samples(paths.SPLIT)])
    return {"images": int(kept.sum()), "test_accuracy": float(correct[kept].mean()) if kept.any() else None}


def remove_stale(folder: Path, names: set[str]) -> None:
    """Remove the files of variants that are no longer in params.yaml.

    `compare` reads and writes whole folders, which must be the same on every machine.
    """
    for path in folder.iterdir():
        if path.stem not in names:
            path.unlink()


def write_table(name: str, table: pd.DataFrame) -> None:
    write_text(paths.PLOTS / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run_stage(main)
