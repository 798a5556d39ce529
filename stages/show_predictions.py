"""Draw what the final model says of images: plots/final."""

import json

import numpy as np
import pandas as pd

import paths
from entry import run
from fashion.files import read_array, write_json
from fashion.params import Params
from fashion.results.answers import gather, sheet_of
from fashion.results.comparison import names_to_plot
from fashion.results.figures import predictions as draw
from fashion.results.figures.style import save, write_grey
from fashion.results.look import is_dark


def main(params: Params) -> None:
    folder, classes = paths.PLOTS / "final", params.classes
    scores = json.loads((paths.METRICS / "final.json").read_text(encoding="utf-8"))
    images = read_array(paths.images(paths.SPLIT, "test"))
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    names = names_to_plot(classes)
    answers = read_table("confusion")["predicted"].map(names.index).to_numpy()
    unlabelled = read_array(paths.images(paths.INGESTED, "unlabelled"))
    guesses = pd.read_csv(paths.PREDICTED / "results.csv")["label"].to_numpy()
    curves = {
        classes[names.index(name)]: part[["fpr", "tpr"]].astype(float).to_numpy().T
        for name, part in read_table("roc").groupby("class", sort=False)
    }
    areas = {name: row["roc_auc"] for name, row in scores["per_class"].items()}
    averages = {
        f"{kind} mean": {key: scores[f"{kind}_{key}"] for key in ("precision", "recall", "f1")}
        for kind in ("macro", "weighted")
    }
    averages["macro mean"]["roc_auc"] = scores["roc_auc"]
    pictures = {
        "report.svg": draw.draw_report(scores["per_class"], averages),
        "confusion_test.svg": draw.draw_confusion(labels, answers, classes, "Test"),
        "roc.svg": draw.draw_roc(curves, areas),
        "predictions.png": draw.draw_predictions(images, labels, answers, classes),
        "mistakes.png": draw.draw_mistakes(images, labels, answers, classes),
        "unlabelled.png": draw.draw_unlabelled(unlabelled, guesses, classes),
        "by_class.png": draw.draw_by_class(unlabelled, guesses, classes),
        "robustness.svg": draw.draw_robustness(scores["robustness"]),
    }
    found, chosen = gather(labels, answers, len(classes), images[0].size)
    sheet = sheet_of(images[chosen], inverted=is_dark(images))
    write_json(folder / "answers.json", found | {"rows": len(sheet) // images.shape[1]})
    write_grey(folder / "answers.png", sheet)
    for name, picture in pictures.items():
        save(picture, folder / name)
    print(f"show_predictions: {len(pictures)} pictures in {folder}", flush=True)


def read_table(name: str) -> pd.DataFrame:
    """Read a table of `compare` as text: a class may be called NA, or 7."""
    return pd.read_csv(paths.PLOTS / f"{name}.csv", dtype=str, keep_default_na=False)


if __name__ == "__main__":
    run(main)
