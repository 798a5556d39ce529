"""Train the final model, as `make init` sets it, on other data, and compare it with five classifiers of scikit-learn.

Each classifier chooses among a few settings by cross-validation on the labelled images, 5,000 of them at most, and then
learns from all; the final model learns from 80% of them and chooses its best epoch on the rest. All are judged on the
same test images, on three draws of the data. The whole of Fashion-MNIST is one draw, from which only the final model
learns something else with each seed.
Needs data/ingested, as `dvc repro ingest` leaves it. Writes benchmarks/other_data.json and a table of
docs/your_own_data.md.
"""

import argparse
import functools
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from fashion.classifier.device import pick_device
from fashion.files import read_array, read_json, with_section
from fashion.images.split import split
from fashion.init import TEMPLATE
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml
from fashion.settings.split import SplitSettings
from fashion.sources.fitting import common_side, fit_images
from fashion.training.learning import Callbacks, Labelled, learn

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/other_data.json"
PAGE = ROOT / "docs/your_own_data.md"
SEEDS = (0, 1, 2)
PATCH = 32  # pixels a side
SEARCHED = 5000  # images at most by which a classifier's settings are chosen: with 60,000 it would take a day
OTHERS: dict[str, tuple[Any, dict[str, list]]] = {
    "logistic regression": (LogisticRegression(max_iter=300), {"C": [0.01, 0.1, 1, 10]}),
    "k nearest": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9], "weights": ["uniform", "distance"]}),
    "random forest": (RandomForestClassifier(300, random_state=0), {"max_features": ["sqrt", 0.1]}),
    "boosting": (HistGradientBoostingClassifier(random_state=0), {"learning_rate": [0.05, 0.1]}),
    "SVM": (SVC(), {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}),
}


@dataclass
class Data:
    """Labelled and test images, uint8 of N x side x side without margin."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    mirror: bool = False


def digits(seed: int) -> Data:
    found = datasets.load_digits()
    images = np.rint(found.images * 255 / found.images.max()).astype(np.uint8)
    return held_out(images, found.target, seed)


def photographs(seed: int) -> Data:
    """Cut the two sample photographs, a temple and a flower, into patches that do not overlap."""
    patches, labels = [], []
    for number, photograph in enumerate(datasets.load_sample_images().images):
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        high, wide = (length // PATCH for length in grey.shape)
        cut = grey[: high * PATCH, : wide * PATCH].reshape(high, PATCH, wide, PATCH).swapaxes(1, 2)
        patches.append(cut.reshape(-1, PATCH, PATCH))
        labels += [number] * high * wide
    return held_out(np.concatenate(patches), np.array(labels), seed, mirror=True)


def fashion(seed: int, *, some: int | None = None) -> Data:
    """Draw some of Fashion-MNIST's labelled images, by class, or all of them, and take all its test images."""
    folder = ROOT / "data/ingested"
    images, labels, test_images, test_labels = (
        read_array(folder / f"{part}_{what}.npy") for part in ("train", "test") for what in ("images", "labels")
    )
    margin = (images.shape[1] - read_json(folder / "about.json")["content"]) // 2
    inside = slice(margin, images.shape[1] - margin)
    chosen = drawn(labels, some or len(labels), seed)
    return Data(
        images[chosen][:, inside, inside], labels[chosen], test_images[:, inside, inside], test_labels, mirror=True
    )


def drawn(labels: np.ndarray, some: int, seed: int) -> np.ndarray:
    """Draw so many of the images with these labels, by class; all there are, if there are no more."""
    everything = np.arange(len(labels))
    if some >= len(labels):
        return everything
    chosen, _ = train_test_split(everything, train_size=some, stratify=labels, random_state=seed)
    return chosen


def held_out(images: np.ndarray, labels: np.ndarray, seed: int, *, mirror: bool = False) -> Data:
    """Hold out a fifth of each class for the test."""
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    return Data(images[rest], labels[rest], images[test], labels[test], mirror)


WHOLE = "Fashion-MNIST, whole"
DATA: dict[str, Callable[[int], Data]] = {
    "digits, 8x8": digits,
    "patches of two photographs, 32x32": photographs,
    "Fashion-MNIST, 250": functools.partial(fashion, some=250),
    "Fashion-MNIST, 1,000": functools.partial(fashion, some=1000),
    "Fashion-MNIST, 5,000": functools.partial(fashion, some=5000),
    WHOLE: fashion,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATA, action="append", help="this alone; the other rows stay as they are")
    parser.add_argument("--final", action="store_true", help="the final model alone; what the others reach stays")
    arguments = parser.parse_args()
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for name in arguments.data or list(DATA):
        others = [] if arguments.final and name in rows else list(OTHERS)
        rows[name] = rows.get(name, {}) | {key: [] for key in ("images", "seconds", "final", *others)}
        for seed in SEEDS:
            data = DATA[name](seed)
            rows[name]["images"] = [len(data.labels), len(data.test_labels)]
            accuracy, seconds = final_model(data, seed)
            rows[name]["final"].append(accuracy)
            rows[name]["seconds"].append(round(seconds, 1))
            print(f"{name}, seed {seed}: final model {accuracy:.4f} in {seconds:.0f} s", flush=True)
            for other in others:
                if name == WHOLE and seed != SEEDS[0]:
                    continue  # the same images again, of which it would make the same
                rows[name][other].append(other_classifier(data, other))
                print(f"{name}, seed {seed}: {other} {rows[name][other][-1]:.4f}", flush=True)
        write({key: rows[key] for key in DATA if key in rows})


def write(rows: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "other data", table(rows)), encoding="utf-8")


def final_model(data: Data, seed: int) -> tuple[float, float]:
    """Train the final model as its stage does; give its accuracy on test images and the seconds of the training."""
    params = template()
    side = common_side([data.images.shape[1:]])
    images, test_images = (fit_images(given, side, enlarge=True) for given in (data.images, data.test_images))
    classes = [str(number) for number in range(data.labels.max() + 1)]
    how = SplitSettings.model_validate(params.split.model_dump() | {"scheme": "official", "random_state": seed})
    parts = split(data.labels, how, classes=classes, has_test=True)
    model = params.model.model_copy(update={"mirror": data.mirror})
    started = time.perf_counter()
    classifier, _ = learn(
        model.at_size(model.size).for_images(len(parts.train), side),
        params.finetune.model_copy(update={"seed": seed}),
        Labelled(images[parts.train], data.labels[parts.train]),
        Labelled(images[parts.validation], data.labels[parts.validation]),
        classes=classes,
        callbacks=Callbacks(lambda *_: None, lambda _: None),
        views=model.views_allowed(),
    )
    seconds = time.perf_counter() - started
    guesses = classifier.log_probabilities(test_images, pick_device()).argmax(1).numpy()
    return float(np.mean(guesses == data.test_labels)), seconds


def template() -> Params:
    """Give the settings that `make init` writes."""
    content = load_yaml(TEMPLATE)
    content["ingest"]["source"], content["split"]["scheme"] = "folder", "fractions"
    return check(content, source=str(TEMPLATE))


def other_classifier(data: Data, name: str) -> float:
    """Give the accuracy on test images of a classifier with the best of its settings."""
    classifier, settings = OTHERS[name]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    pixels, test_pixels = (images.reshape(len(images), -1) / 255 for images in (data.images, data.test_images))
    some = drawn(data.labels, SEARCHED, seed=0)
    with warnings.catch_warnings(action="ignore"):  # some settings do not converge, and are not chosen
        search = GridSearchCV(classifier, settings, cv=folds, n_jobs=os.cpu_count(), refit=False)
        search.fit(pixels[some], data.labels[some])
        best = clone(classifier).set_params(**search.best_params_).fit(pixels, data.labels)
    return float(best.score(test_pixels, data.test_labels))


def table(rows: dict[str, Any]) -> str:
    names = ["final model", *OTHERS]
    text = f"| data | labelled | test | {' | '.join(names)} | seconds |\n| --- |{' --: |' * (len(names) + 3)}\n"
    for data, row in rows.items():
        means = [statistics.mean(row[name]) for name in ("final", *OTHERS)]
        cells = [f"**{mean:.4f}**" if mean == max(means) else f"{mean:.4f}" for mean in means]
        labelled, test = row["images"]
        text += (
            f"| {data} | {labelled:,} | {test:,} | {' | '.join(cells)} | {statistics.median(row['seconds']):.0f} |\n"
        )
    return text


if __name__ == "__main__":
    main()
