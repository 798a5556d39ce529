"""Draw what the final model says of images: plots/final."""

import numpy as np
import pandas as pd

import paths
from entry import run
from fashion.files import read_array, read_json, write_json
from fashion.params import Params
from fashion.results.answers import gather, sheet_of
from fashion.results.figures import predictions as draw
from fashion.results.figures.style import save, write_grey
from fashion.results.look import is_dark
from fashion.settings.fields import FINAL


def main(_: Params) -> None:
    folder, scores = paths.PLOTS / "final", read_json(paths.scores(FINAL))
    classes = list(scores["per_class"])
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    images = read_array(paths.images(paths.SPLIT, "test"))
    answers = np.asarray(read_array(paths.log_probabilities(FINAL)))
    learned_labels, learned_guesses = np.asarray(read_array(paths.GUESSES)).astype(int)
    unlabelled = read_array(paths.images(paths.INGESTED, "unlabelled"))
    guesses = pd.read_csv(paths.PREDICTED / "results.csv")["label"].to_numpy()
    roc = pd.read_csv(paths.PLOTS / "roc.csv", dtype={"class": str}, keep_default_na=False)
    curves = {name: (part["fpr"].to_numpy(), part["tpr"].to_numpy()) for name, part in roc.groupby("class", sort=False)}
    areas = {name: row["roc_auc"] for name, row in scores["per_class"].items()}
    averages = {
        f"{kind} mean": {key: scores[f"{kind}_{key}"] for key in ("precision", "recall", "f1")}
        for kind in ("macro", "weighted")
    }
    averages["macro mean"]["roc_auc"] = scores["roc_auc"]
    pictures = {
        "report.svg": draw.draw_report(scores["per_class"], averages),
        "confusion_train.svg": draw.draw_confusion(learned_labels, learned_guesses, classes, "Training"),
        "confusion_test.svg": draw.draw_confusion(labels, answers.argmax(1), classes, "Test"),
        "roc.svg": draw.draw_roc(curves, areas),
        "predictions.png": draw.draw_predictions(images, labels, answers, classes),
        "mistakes.png": draw.draw_mistakes(images, labels, answers, classes),
        "unlabelled.png": draw.draw_unlabelled(unlabelled, guesses, classes),
        "by_class.png": draw.draw_by_class(unlabelled, guesses, classes),
        "calibration.svg": draw.draw_calibration(labels, answers, scores["calibration"]),
        "robustness.svg": draw.draw_robustness(scores["robustness"]),
    }
    found, chosen = gather(labels, answers, scores["calibration"]["temperature"], len(classes), images[0].size)
    sheet = sheet_of(images[chosen], inverted=is_dark(images))
    write_json(folder / "answers.json", found | {"rows": len(sheet) // images.shape[1]})
    write_grey(folder / "answers.png", sheet)
    for name, picture in pictures.items():
        save(picture, folder / name)
    print(f"show_predictions: {len(pictures)} pictures in {folder}", flush=True)


if __name__ == "__main__":
    run(main)
