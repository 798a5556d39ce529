"""Draw the predictions of the final model: confusion, ROC, calibration, mistakes, robustness, in plots/final.

python -m stages.figures.show_predictions
"""

import numpy as np
import pandas as pd

from fashion.files import read_array, read_json, write_json
from fashion.params import Params
from fashion.results.figures import predictions
from fashion.results.figures.style import save, write_greyscale
from fashion.results.gallery import build_gallery, sprite_sheet
from fashion.results.palette import has_dark_background
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage


def main(_: Params) -> None:
    folder, scores = paths.PLOTS / "final", read_json(paths.scores(FINAL))
    classes = list(scores["per_class"])
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    images = read_array(paths.images(paths.SPLIT, "test"))
    log_probabilities = np.asarray(read_array(paths.log_probabilities(FINAL)))
    train_labels, train_predicted = np.asarray(read_array(paths.TRAIN_PREDICTIONS)).astype(int)
    unlabelled = read_array(paths.images(paths.INGESTED, "unlabelled"))
    unlabelled_predicted = pd.read_csv(paths.PREDICTED / "results.csv")["label"].to_numpy()
    roc = pd.read_csv(paths.PLOTS / "roc.csv", dtype={"class": str}, keep_default_na=False)
    curves = {name: (part["fpr"].to_numpy(), part["tpr"].to_numpy()) for name, part in roc.groupby("class", sort=False)}
    areas = {name: row["roc_auc"] for name, row in scores["per_class"].items()}
    averages = {
        f"{average} mean": {key: scores[f"{average}_{key}"] for key in ("precision", "recall", "f1")}
        for average in ("macro", "weighted")
    }
    averages["macro mean"]["roc_auc"] = scores["roc_auc"]
    figures = {
        "report.svg": predictions.draw_classification_report(scores["per_class"], averages),
        "confusion_train.svg": predictions.draw_confusion(train_labels, train_predicted, classes, "Training"),
        "confusion_test.svg": predictions.draw_confusion(labels, log_probabilities.argmax(1), classes, "Test"),
        "roc.svg": predictions.draw_roc(curves, areas),
        "predictions.png": predictions.draw_predictions(images, labels, log_probabilities, classes),
        "mistakes.png": predictions.draw_mistakes(images, labels, log_probabilities, classes),
        "unlabelled.png": predictions.draw_unlabelled(unlabelled, unlabelled_predicted, classes),
        "by_class.png": predictions.draw_by_class(unlabelled, unlabelled_predicted, classes),
        "calibration.svg": predictions.draw_calibration(labels, log_probabilities, scores["calibration"]),
        "robustness.svg": predictions.draw_robustness(scores["robustness"]),
    }
    temperature = scores["calibration"]["temperature"]
    gallery, chosen = build_gallery(labels, log_probabilities, temperature, len(classes), images[0].size)
    sheet = sprite_sheet(images[chosen], inverted=has_dark_background(images))
    write_json(folder / "answers.json", gallery | {"rows": len(sheet) // images.shape[1]})
    write_greyscale(folder / "answers.png", sheet)
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_predictions: {len(figures)} figures in {folder}", flush=True)


if __name__ == "__main__":
    run_stage(main)
