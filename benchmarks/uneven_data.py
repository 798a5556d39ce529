"""Measure what class weights are worth on uneven classes, and how many of some changed labels the audit finds.

python -m benchmarks.uneven_data            both tables
python -m benchmarks.uneven_data weights    only that of class weights
python -m benchmarks.uneven_data labels     only that of labels

Class weights: the final model, with the settings of `make init`, on a single split of three draws, with and without
balanced weights, and without weights but with the probabilities divided by the shares of the classes. Labels: 5% of
them are changed to others by chance; the audit then lists labels that are probably wrong. The table has the share of
changed ones among the first 5% of the images that it lists, beside a list by the loss alone.
Needs what benchmarks/other_data.py needs. Writes benchmarks/uneven_data.json and two tables of docs/your_own_data.md.
"""

import argparse
import functools
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.other_data import DATA, Data, fashion, prepare
from fashion.classifier.device import select_device
from fashion.files import read_json, with_section
from fashion.images.parts import Part, members_with
from fashion.results.metrics import balanced_accuracy
from fashion.results.wrong_labels import find_wrong_labels
from fashion.training.ensemble import LabelledParts
from stages.models.cross_fit import cross_fit, fold_parts

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/uneven_data.json"
PAGE = ROOT / "docs/your_own_data.md"
SEEDS = (0, 1, 2)
CHANGED = 0.05  # share of the labels
LARGEST, RATIO = (
    500,
    0.6,
)  # images of the largest class, and ratio of each next class to the one before


def uneven_fashion(seed: int) -> Data:
    """Draw 500, 300, 180 ... 5 images of the classes of Fashion-MNIST, in an order by chance."""
    data, rng = fashion(seed, count=20_000), np.random.default_rng(seed)
    chosen = []
    for rank, label in enumerate(rng.permutation(10)):
        chosen += rng.permutation(np.flatnonzero(data.labels == label))[: round(LARGEST * RATIO**rank)].tolist()
    return Data(data.images[chosen], data.labels[chosen], data.test_images, data.test_labels, mirror=True)


UNEVEN = {"icons in colour, 32x32": DATA["icons in colour, 32x32"], "Fashion-MNIST, 500 to 5 a class": uneven_fashion}
LABELLED = {name: DATA[name] for name in ("digits, 8x8", "patches of two photographs, 32x32", "Fashion-MNIST, 5,000")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="?", choices=("weights", "labels"))
    only = parser.parse_args().only
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for key, data, measure in (("weights", UNEVEN, measure_weights), ("labels", LABELLED, measure_labels)):
        if only in (None, key):
            rows[key] = {}
            for name, draw in data.items():
                rows[key][name] = [measure(draw(seed), seed) for seed in SEEDS]
                print(f"{name}: {json.dumps(rows[key][name])}", flush=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    for section, key, table in (
        ("class weights", "weights", weights_table),
        ("changed labels", "labels", labels_table),
    ):
        text = with_section(text, section, table(rows[key]) if key in rows else "")
    PAGE.write_text(text, encoding="utf-8")


def measure_weights(data: Data, seed: int) -> dict[str, list[float]]:
    """Give accuracy and balanced accuracy on the test images for each way."""
    prepared = prepare(data)
    parts = prepared.split(seed, scheme="official", folds=0)
    shares = np.bincount(data.labels[parts[0] == Part.TRAIN]) / (parts[0] == Part.TRAIN).sum()
    found = {}
    for way in ("none", "balanced"):
        ensemble = prepared.train(parts, seed, class_weights=way)
        prediction = ensemble.predict(prepared.test_images, select_device())
        found[way] = scores(data, prediction.labels)
        if way == "none":
            log_probabilities = prediction.log_probabilities.numpy()
            found["divided"] = scores(data, (log_probabilities - np.log(shares)).argmax(1))
    return found


def scores(data: Data, predicted: np.ndarray) -> list[float]:
    labels = data.test_labels
    return [float(np.mean(predicted == labels)), balanced_accuracy(labels, predicted, data.labels.max() + 1)]


def measure_labels(data: Data, seed: int) -> dict[str, Any]:
    """Change labels, cross-fit, and count the changed ones in both lists."""
    prepared, rng = prepare(data), np.random.default_rng(seed)
    count, num_classes = len(data.labels), len(prepared.classes)
    changed = rng.permutation(count)[: round(CHANGED * count)]
    labels = data.labels.copy()
    labels[changed] = (labels[changed] + rng.integers(1, num_classes, len(changed))) % num_classes
    parts = fold_parts(labels, np.arange(count), np.arange(count))
    params = prepared.params.model_copy(
        update={"model": prepared.params.model.model_copy(update={"mirror": data.mirror})}
    )
    ensemble = cross_fit(params, LabelledParts(prepared.images, labels, parts, prepared.classes, prepared.frame))
    members = members_with(parts, Part.VALIDATION)
    log_probabilities = ensemble.predict_with(members, prepared.images, select_device()).log_probabilities.numpy()
    listed = [index for index, _, _ in find_wrong_labels(labels, np.exp(log_probabilities))]
    by_loss = log_probabilities[np.arange(count), labels].argsort()
    first = listed[: len(changed)]
    return {
        "images": count,
        "changed": len(changed),
        "listed": len(listed),
        "found": int(np.isin(listed, changed).sum()),
        "precision": float(np.isin(first, changed).mean()),
        "precision_by_loss": float(np.isin(by_loss[: len(changed)], changed).mean()),
    }


def weights_table(rows: dict[str, list[dict[str, list[float]]]]) -> str:
    text = "\n| data | weights | accuracy | balanced accuracy |\n| --- | --- | --: | --: |\n"
    names = {"none": "none", "balanced": "balanced", "divided": "none, probabilities divided by the classes' shares"}
    for data, draws in rows.items():
        for way, name in names.items():
            means = [statistics.mean(draw[way][number] for draw in draws) for number in (0, 1)]
            text += f"| {data} | {name} | {means[0]:.3f} | {means[1]:.3f} |\n"
    return text + "\n"


def labels_table(rows: dict[str, list[dict[str, Any]]]) -> str:
    text = "\n| data | images | changed | listed | of these changed | precision of the first 5% | by loss alone |\n"
    text += f"| --- |{' --: |' * 6}\n"
    for data, draws in rows.items():
        mean = functools.partial(mean_of, draws)
        text += (
            f"| {data} | {draws[0]['images']:,} | {draws[0]['changed']:,} | {mean('listed'):,.0f} | "
            f"{mean('found'):,.0f} | {mean('precision'):.3f} | {mean('precision_by_loss'):.3f} |\n"
        )
    return text + "\n"


def mean_of(draws: list[dict[str, Any]], key: str) -> float:
    return statistics.mean(draw[key] for draw in draws)


if __name__ == "__main__":
    main()
