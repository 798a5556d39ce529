"""Draw the predictions of the final model: confusion, ROC, calibration, mistakes, robustness, in plots/final.

python -m stages.figures.show_predictions
"""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from fashion.files import read_array, read_json, write_json
from fashion.images.parts import read_test_samples
from fashion.params import Params
from fashion.results.figures import predictions
from fashion.results.figures.image_grid import shrink
from fashion.results.figures.style import legible_classes, legible_names, save, write_png
from fashion.results.gallery import MAX_SIDE, build_gallery, sprite_sheet
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage


def main(_: Params) -> None:
    folder, scores = paths.PLOTS / "final", read_json(paths.scores(FINAL))
    classes = list(scores["per_class"])
    names, files = legible_classes(classes), [sample["file"] for sample in read_test_samples(paths.SPLIT)]
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    images = read_array(paths.images(paths.SPLIT, "test"))
    log_probabilities = np.asarray(read_array(paths.log_probabilities(FINAL)))
    train_labels, train_predicted = np.asarray(read_array(paths.TRAIN_PREDICTIONS)).astype(int)
    unlabelled = read_array(paths.images(paths.INGESTED, "unlabelled"))
    unlabelled_predicted = pd.read_csv(paths.PREDICTED / "results.csv")["label"].to_numpy(int)
    roc = pd.read_csv(paths.PLOTS / "roc.csv", dtype={"class": str}, keep_default_na=False)
    areas = {name: row["roc_auc"] for name, row in scores["per_class"].items() if row["roc_auc"] is not None}
    parts = [part for _, part in roc.groupby("class", sort=False)]  # in the order of `areas`, with `<` escaped
    curves = {name: (part["fpr"].to_numpy(), part["tpr"].to_numpy()) for name, part in zip(areas, parts, strict=True)}
    averages = {
        f"{average} mean": {key: scores[f"{average}_{key}"] for key in ("precision", "recall", "f1")}
        for average in ("macro", "weighted")
    }
    averages["macro mean"]["roc_auc"] = scores["roc_auc"]
    short_files = legible_names([PurePosixPath(file).name for file in files], "image")
    figures = {
        "report.svg": predictions.draw_classification_report(scores["per_class"], averages),
        "confusion_train.svg": predictions.draw_confusion(train_labels, train_predicted, classes, "Training"),
        "confusion_test.svg": predictions.draw_confusion(labels, log_probabilities.argmax(1), classes, "Test"),
        "roc.svg": predictions.draw_roc(curves, areas),
        "predictions.png": predictions.draw_predictions(images, labels, log_probabilities, names),
        "mistakes.png": predictions.draw_mistakes(images, labels, log_probabilities, names, short_files),
        "unlabelled.png": predictions.draw_unlabelled(unlabelled, unlabelled_predicted, names),
        "by_class.png": predictions.draw_by_class(unlabelled, unlabelled_predicted, names),
        "calibration.svg": predictions.draw_calibration(scores["calibration"]),
        "robustness.svg": predictions.draw_robustness(scores["robustness"]),
    }
    tile = shrink(images[:1], MAX_SIDE)[0]
    gallery, chosen = build_gallery(labels, log_probabilities, len(classes), tile.size)
    sheet = sprite_sheet(shrink(images[chosen], MAX_SIDE))
    size = {"height": tile.shape[1], "width": tile.shape[2], "rows": len(sheet) // tile.shape[1]}
    write_json(folder / "answers.json", gallery | size | {"files": [files[index] for index in chosen]})
    write_png(folder / "answers.png", sheet)
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_predictions: {len(figures)} figures in {folder}", flush=True)


if __name__ == "__main__":
    run_stage(main)
