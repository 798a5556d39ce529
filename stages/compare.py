"""Put all systems side by side: metrics/variants.json, metrics/final.json and the tables behind the plots."""

import numpy as np
import pandas as pd

import paths
from entry import run
from fashion.files import read_array, read_json, write_json, write_text
from fashion.params import Params
from fashion.results.comparison import (
    accuracies_to_plot,
    learning_curves,
    names_to_plot,
    roc_curves,
    variants_table,
)
from fashion.settings.fields import FINAL
from fashion.settings.system import FinalModel, Variant


def main(params: Params) -> None:
    systems: dict[str, Variant | FinalModel] = {**params.variants, FINAL: params.model}
    remove_strangers(set(systems))
    scores = {name: read_json(paths.scores(name)) for name in systems}
    about = {name: {"baseline": system.baseline, "reported": system.reported} for name, system in systems.items()}
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    correct = {name: read_array(paths.log_probabilities(name)).argmax(1) == labels for name in systems}
    table = variants_table(scores, about, correct, final=FINAL)
    write_json(paths.METRICS / "variants.json", table)
    write_json(paths.METRICS / "final.json", scores[FINAL])
    write_table("learning_curves", learning_curves({name: pd.read_csv(paths.history(name)) for name in systems}))
    write_table("accuracies", accuracies_to_plot(table))

    predictions = read_array(paths.log_probabilities(FINAL))
    names = names_to_plot(list(scores[FINAL]["per_class"]))
    classes = np.array(names)
    write_table("confusion", pd.DataFrame({"actual": classes[labels], "predicted": classes[predictions.argmax(1)]}))
    write_table("roc", roc_curves(labels, np.asarray(predictions), names).round(5))
    best = max(params.variants, key=lambda name: table[name]["val_accuracy"])
    for name in (best, FINAL):
        row = table[name]
        print(f"{name}: validation {row['val_accuracy']:.4f}, test {row['test_accuracy']:.4f}", flush=True)


def remove_strangers(names: set[str]) -> None:
    """Remove what former variants left: a folder that compare depends on must hold the same on every machine."""
    for folder in (paths.EVALUATED, paths.HISTORIES):
        for path in folder.iterdir():
            if path.stem not in names:
                path.unlink()


def write_table(name: str, table: pd.DataFrame) -> None:
    write_text(paths.PLOTS / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run(main)
