"""What one file of results says of another. No data are needed: all follows from files that are in git.

A number and its checksum can be edited together; then the others still say what it was.
"""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pages import read_json
from ruamel.yaml import YAML

from fashion.params import Params
from fashion.results.comparison import accuracies_to_plot, names_to_plot
from fashion.results.scores import confusion_matrix, score
from fashion.results.significance import accuracy_interval, mcnemar
from fashion.settings.fields import FINAL

FINAL_FILE, VARIANTS_FILE, CONFUSION_FILE = "metrics/final.json", "metrics/variants.json", "plots/confusion.csv"
BY_CLASS = ("precision", "recall", "f1", "support")
MEANS = tuple(f"{mean}_{key}" for mean in ("macro", "weighted") for key in ("precision", "recall", "f1"))
AREA_OFF = 1e-4  # plots/roc.csv is rounded to 5 digits; on 10,000 images that moves an area by less than 1e-6
ROUNDING = 0.002  # a training and a scoring may differ in what they round, on a GPU


def disagreements(params: Params, root: Path) -> Iterator[str]:
    """Name each figure that does not follow from the file it should; tables and metrics must be well-formed."""
    final, variants = read_json(FINAL_FILE), read_json(VARIANTS_FILE)
    confusion = read_table(root / CONFUSION_FILE)
    names = names_to_plot(list(final["per_class"]))
    if not set(confusion["predicted"]) <= set(names):
        yield f"{CONFUSION_FILE}: predicted has what {FINAL_FILE} does not name"
        return
    if len(set(names)) == len(names):
        number = {name: place for place, name in enumerate(names)}
        actual, predicted = (np.array([number[name] for name in confusion[key]]) for key in ("actual", "predicted"))
        yield from wrong_scores(final, actual, predicted)
        yield from wrong_answers(actual, predicted)
        yield from wrong_labels(predicted, root)
    yield from wrong_areas(final, read_table(root / "plots/roc.csv"))
    both = {key: final[key] for key in variants[FINAL] if key in final}
    yield from unlike(f"{VARIANTS_FILE}: {FINAL}", variants[FINAL], both, FINAL_FILE)
    for name, row in variants.items():
        system = params.model if name == FINAL else params.variants[name]
        yield from unlike(
            f"{VARIANTS_FILE}: {name}", row, {"baseline": system.baseline, "reported": system.reported}, "params.yaml"
        )
        yield from wrong_chances(name, variants, len(confusion))
    yield from wrong_curves(params, variants, root)
    accuracies = accuracies_to_plot(variants).to_csv(index=False, lineterminator="\n")
    yield from wrong_spread(params, variants)
    yield from wrong_means()
    if (root / "plots/accuracies.csv").read_text(encoding="utf-8") != accuracies:
        yield f"plots/accuracies.csv: not what follows from {VARIANTS_FILE}"


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)  # a class may be called NA, or 7


def wrong_scores(final: dict[str, Any], actual: np.ndarray, predicted: np.ndarray) -> Iterator[str]:
    """Score the answers anew."""
    classes = list(final["per_class"])
    scores = score(actual, np.eye(len(classes))[predicted], classes)  # of which some need the probabilities
    keys = ("test_accuracy", *MEANS, "confusions")
    yield from unlike(FINAL_FILE, final, {key: scores[key] for key in keys}, CONFUSION_FILE)
    for name, row in scores["per_class"].items():
        wanted = {key: row[key] for key in BY_CLASS}
        yield from unlike(f"{FINAL_FILE}: {name}", final["per_class"][name], wanted, CONFUSION_FILE)


def wrong_answers(actual: np.ndarray, predicted: np.ndarray) -> Iterator[str]:
    """Find what the report's matrix and its gallery show among the answers."""
    file = "plots/final/answers.json"
    answers = read_json(file)
    shown = answers["classes"]
    counts = confusion_matrix(actual, predicted, int(max(actual.max(), predicted.max(), *shown)) + 1)
    wanted = {"images": len(actual), "mistakes": int((actual != predicted).sum())}
    yield from unlike(file, answers, {**wanted, "counts": counts[np.ix_(shown, shown)].tolist()}, CONFUSION_FILE)
    for image in answers["gallery"]:
        number = image["number"]
        pair = {"actual": int(actual[number]), "guess": int(predicted[number])}
        yield from unlike(f"{file}: image {number}", image, pair, CONFUSION_FILE)


def wrong_labels(predicted: np.ndarray, root: Path) -> Iterator[str]:
    """Where the unlabelled images are those of the test, the labels are the answers to these; all but one in 1000.

    The two are computed with other numbers of threads, which round differently.
    """
    stages = YAML(typ="safe").load(root / "dvc.lock")["stages"]
    checksums = {out["path"]: out.get("md5") for entry in stages.values() for out in entry.get("outs", [])}
    test, unlabelled = (checksums.get(f"data/{name}_images.npy") for name in ("split/test", "ingested/unlabelled"))
    if test is None or test != unlabelled:
        return
    labels = pd.read_csv(root / "data/predicted/results.csv")["label"].to_numpy()
    differing = int((labels != predicted).sum()) if len(labels) == len(predicted) else len(labels)
    if differing > len(labels) / 1000:
        said = f"{differing} labels are not the answers of {CONFUSION_FILE} to the same images"
        yield f"data/predicted/results.csv: {said}"


def wrong_areas(final: dict[str, Any], curves: pd.DataFrame) -> Iterator[str]:
    """Take the areas under the curves of plots/roc.csv."""
    areas = {name: row["roc_auc"] for name, row in final["per_class"].items() if row["roc_auc"] is not None}
    for name, area in areas.items():
        points = curves[curves["class"] == names_to_plot([name])[0]].astype({"fpr": float, "tpr": float})
        under = float(np.trapezoid(points["tpr"], points["fpr"]))
        if abs(under - area) > AREA_OFF:
            yield f"{FINAL_FILE}: {name}.roc_auc is {area}, and {under:.5f} under the curve of plots/roc.csv"
    mean = float(np.mean(list(areas.values()))) if areas else None
    yield from unlike(FINAL_FILE, final, {"roc_auc": mean}, "its classes")


def wrong_chances(name: str, variants: dict[str, Any], images: int) -> Iterator[str]:
    """Compute the interval of a system's accuracy, and its tests against others, anew."""
    row, where = variants[name], f"{VARIANTS_FILE}: {name}"
    right = round(row["test_accuracy"] * images)
    if not math.isclose(right / images, row["test_accuracy"], rel_tol=1e-9):
        yield f"{where}.test_accuracy is {row['test_accuracy']}, which is no share of {images} images"
        return
    interval = accuracy_interval(np.arange(images) < right)
    yield from unlike(where, row, {"test_interval": interval}, "its test_accuracy")
    for key, other in (("against_baseline", row.get("baseline")), ("against_final", FINAL)):
        test = row.get(key)
        if (test is None) != (other is None or other == name):
            yield f"{where}.{key} is {test!r}"
        if test is None:
            continue
        ours, theirs = test["only_this_right"], test["only_other_right"]
        apart = round((row["test_accuracy"] - variants[other]["test_accuracy"]) * images)
        if ours - theirs != apart:
            yield f"{where}.{key}: {ours} and {theirs} images right are not the {apart} between their test accuracies"
        differing = np.arange(ours + theirs) < ours
        yield from unlike(f"{where}.{key}", test, mcnemar(differing, ~differing), "its numbers of images")


def wrong_curves(params: Params, variants: dict[str, Any], root: Path) -> Iterator[str]:
    """Find each system's best epoch in its learning curve."""
    file = "plots/learning_curves.csv"
    images = read_json("plots/data/counts.json")["images"]["validation"]
    curves = pd.read_csv(root / file, dtype={"variant": str, "phase": str}, keep_default_na=False)
    for name, curve in curves.groupby("variant"):
        best = curve.loc[curve["val_accuracy"].idxmax()]  # the first of equals, as in training
        epochs = {"epochs": int(curve["epoch"].iloc[-1]), "best_epoch": int(best["epoch"])}
        wanted = {**epochs, "train_accuracy": float(best["train_accuracy"])}
        yield from unlike(f"{VARIANTS_FILE}: {name}", variants[name], wanted, file)
        # Others learned from copies, and are judged on these while they learn; the final model is used with more views.
        if name != FINAL and params.variants[name].images == "split":
            accuracy = variants[name]["val_accuracy"]
            if abs(accuracy - best["val_accuracy"]) > max(ROUNDING, 1.5 / images):
                yield f"{VARIANTS_FILE}: {name}.val_accuracy is {accuracy}, and {best['val_accuracy']:.4f} in {file}"


def wrong_spread(params: Params, variants: dict[str, Any]) -> Iterator[str]:
    """Take the means of trainings with several seeds anew, the main one among them."""
    file = "metrics/seeds.json"
    spread = read_json(file)
    for name, row in spread.items():
        seed = str(params.finetune.seed if name == FINAL else params.train.seed)
        main = {key: variants[name][key] for key in ("val_accuracy", "test_accuracy")}
        yield from unlike(f"{file}: {name}", row["runs"], {seed: main}, VARIANTS_FILE)
        for key in main:
            values = [run[key] for run in row["runs"].values()]
            means = {"mean": statistics.mean(values), "deviation": statistics.stdev(values)}
            yield from unlike(f"{file}: {name}", row, {key: means}, "its runs")
        baseline = spread.get(variants[name]["baseline"])
        if row["against_baseline"] and baseline:
            apart = row["test_accuracy"]["mean"] - baseline["test_accuracy"]["mean"]
            if not math.isclose(row["against_baseline"]["difference"], apart, abs_tol=1e-9):
                yield f"{file}: {name}.against_baseline is not the difference of the means"


def wrong_means() -> Iterator[str]:
    """Take the means of what was measured anew."""
    file = "benchmarks/robust.json"
    measured = read_json(file)
    for key in ("seconds", "val_accuracy", "test_accuracy"):
        values = [row[key] for row in measured["rows"]]
        spread = {"mean": statistics.mean(values), "deviation": statistics.stdev(values)}
        wanted = {what: round(value, 5) for what, value in spread.items()}
        yield from unlike(f"{file}: {key}", measured[key], wanted, "its rows")
    file = "benchmarks/precision.json"
    for row in read_json(file):
        mean = round(statistics.mean(row["val_accuracy"]), 4)
        yield from unlike(f"{file}: {row['system']}, {row['precision']}", row, {"mean": mean}, "its seeds")


def unlike(where: str, row: dict[str, Any], wanted: dict[str, Any], source: str) -> Iterator[str]:
    """Compare the keys that both should have."""
    joint = "." if ": " in where else ": "
    for key, value in wanted.items():
        if not same(row.get(key), value):
            yield f"{where}{joint}{key} is {row.get(key)!r}, and {value!r} by {source}"


def same(one: Any, other: Any) -> bool:
    """Compare values; floats may differ by what another version of NumPy rounds."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-300)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)
