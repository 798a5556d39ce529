"""Score one trained system on validation and test: data/evaluated/NAME.json and NAME.npy.

The only stage that reads test labels; nothing is chosen by what it finds.
"""

import csv

import numpy as np

import paths
from entry import run
from fashion.checkpoint import load
from fashion.device import pick_device, prepare_to_compute
from fashion.evaluation import score
from fashion.files import read_array, write_array, write_json
from fashion.settings.params import Params


def main(params: Params, name: str) -> None:
    prepare_to_compute(params.train.threads)
    device = pick_device()
    classifier = load(paths.model(name))
    val_labels = read_array(paths.labels(paths.SPLIT, "validation"))
    test_labels = read_array(paths.labels(paths.SPLIT, "test"))
    validation = classifier.probabilities(read_array(paths.images(paths.SPLIT, "validation")), device).numpy()
    test = classifier.probabilities(read_array(paths.images(paths.SPLIT, "test")), device).numpy()
    with paths.history(name).open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    best = max(history, key=lambda row: float(row["val_accuracy"]))  # the first of equals, as in training
    figures = {
        "parameters": classifier.parameters(),
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "train_accuracy": float(best["train_accuracy"]),
        "val_accuracy": float(np.mean(validation.argmax(1) == val_labels)),
        **score(np.asarray(test_labels), test, classifier.classes),
        "environment": classifier.environment,
    }
    write_json(paths.scores(name), figures)
    write_array(paths.probabilities(name), test)
    print(
        f"{name}: validation accuracy {figures['val_accuracy']:.4f}, test accuracy {figures['test_accuracy']:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    run(main)
