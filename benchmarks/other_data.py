"""Compare the test accuracy of the final model with that of five scikit-learn classifiers, on six data sets.

python -m benchmarks.other_data                           all data sets
python -m benchmarks.other_data --data "digits, 8x8"      one data set; the results of the others are kept
python -m benchmarks.other_data --final                   only the final model; the other classifiers are kept

The final model has the settings that `make init` writes. It is trained on 80% of the labelled images; the other 20%
select its best epoch. The parameters of each classifier are chosen by cross-validation on at most 5,000 labelled
images, and it is then fitted to all. All are tested on the same images. Each data set is drawn with three seeds, except
all of Fashion-MNIST, where only the final model depends on the seed.
Needs data/ingested: run `dvc repro ingest` first. Writes benchmarks/other_data.json and a table of
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

from fashion.classifier.device import select_device
from fashion.files import read_array, read_json, with_section
from fashion.images.split import split
from fashion.init import TEMPLATE
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml
from fashion.settings.split import SplitSettings
from fashion.sources.resizing import choose_side, resize_and_pad_all
from fashion.training.train import LabelledImages, TrainingData, train_classifier

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/other_data.json"
PAGE = ROOT / "docs/your_own_data.md"
SEEDS = (0, 1, 2)
PATCH_SIDE = 32  # pixels
MAX_SEARCH_IMAGES = 5000  # for the choice of parameters: with 60,000 it would take a day
CLASSIFIERS: dict[str, tuple[Any, dict[str, list]]] = {
    "logistic regression": (LogisticRegression(max_iter=300), {"C": [0.01, 0.1, 1, 10]}),
    "k nearest": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9], "weights": ["uniform", "distance"]}),
    "random forest": (RandomForestClassifier(300, random_state=0), {"max_features": ["sqrt", 0.1]}),
    "boosting": (HistGradientBoostingClassifier(random_state=0), {"learning_rate": [0.05, 0.1]}),
    "SVM": (SVC(), {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}),
}


@dataclass
class Data:
    """Labelled images and test images, uint8 of N x side x side, without margin.

    mirror: whether an image mirrored left to right has the same class.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    mirror: bool = False


def digits(seed: int) -> Data:
    bunch = datasets.load_digits()
    images = np.rint(bunch.images * 255 / bunch.images.max()).astype(np.uint8)
    return hold_out_test(images, bunch.target, seed)


def photographs(seed: int) -> Data:
    """Cut scikit-learn's two photographs, a temple and a flower, into patches that do not overlap, with two classes."""
    patches, labels = [], []
    for number, photograph in enumerate(datasets.load_sample_images().images):
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        rows, columns = (length // PATCH_SIDE for length in grey.shape)
        cropped = grey[: rows * PATCH_SIDE, : columns * PATCH_SIDE]
        grid = cropped.reshape(rows, PATCH_SIDE, columns, PATCH_SIDE).swapaxes(1, 2)
        patches.append(grid.reshape(-1, PATCH_SIDE, PATCH_SIDE))
        labels += [number] * rows * columns
    return hold_out_test(np.concatenate(patches), np.array(labels), seed, mirror=True)


def fashion(seed: int, *, count: int | None = None) -> Data:
    """Draw `count` labelled images of Fashion-MNIST, stratified by class, or take all; all test images."""
    folder = ROOT / "data/ingested"
    images, labels, test_images, test_labels = (
        read_array(folder / f"{part}_{array}.npy") for part in ("train", "test") for array in ("images", "labels")
    )
    margin = (images.shape[1] - read_json(folder / "about.json")["content"]) // 2
    content = slice(margin, images.shape[1] - margin)
    drawn = draw_stratified(labels, count or len(labels), seed)
    return Data(
        images[drawn][:, content, content], labels[drawn], test_images[:, content, content], test_labels, mirror=True
    )


def draw_stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw the indices of `count` images, stratified by class; all indices if there are no more images."""
    indices = np.arange(len(labels))
    if count >= len(labels):
        return indices
    drawn, _ = train_test_split(indices, train_size=count, stratify=labels, random_state=seed)
    return drawn


def hold_out_test(images: np.ndarray, labels: np.ndarray, seed: int, *, mirror: bool = False) -> Data:
    """Hold out 20% of each class as test images."""
    labelled, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    return Data(images[labelled], labels[labelled], images[test], labels[test], mirror)


ALL_FASHION = "Fashion-MNIST, whole"
DATA: dict[str, Callable[[int], Data]] = {
    "digits, 8x8": digits,
    "patches of two photographs, 32x32": photographs,
    "Fashion-MNIST, 250": functools.partial(fashion, count=250),
    "Fashion-MNIST, 1,000": functools.partial(fashion, count=1000),
    "Fashion-MNIST, 5,000": functools.partial(fashion, count=5000),
    ALL_FASHION: fashion,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATA, action="append", help="only this one; the other rows are kept")
    parser.add_argument("--final", action="store_true", help="only the final model; the others are kept")
    arguments = parser.parse_args()
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for name in arguments.data or list(DATA):
        classifiers = [] if arguments.final and name in rows else list(CLASSIFIERS)
        rows[name] = rows.get(name, {}) | {key: [] for key in ("images", "seconds", "final", *classifiers)}
        for seed in SEEDS:
            data = DATA[name](seed)
            rows[name]["images"] = [len(data.labels), len(data.test_labels)]
            accuracy, seconds = train_final_model(data, seed)
            rows[name]["final"].append(accuracy)
            rows[name]["seconds"].append(round(seconds, 1))
            print(f"{name}, seed {seed}: final model {accuracy:.4f} in {seconds:.0f} s", flush=True)
            for classifier in classifiers:
                if name == ALL_FASHION and seed != SEEDS[0]:
                    continue  # the same images give the same classifier
                rows[name][classifier].append(fit_classifier(data, classifier))
                print(f"{name}, seed {seed}: {classifier} {rows[name][classifier][-1]:.4f}", flush=True)
        write({key: rows[key] for key in DATA if key in rows})


def write(rows: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "other data", table(rows)), encoding="utf-8")


def train_final_model(data: Data, seed: int) -> tuple[float, float]:
    """Train the final model as its stage does; give its test accuracy, and the seconds that the training took."""
    params = load_template()
    side = choose_side([data.images.shape[1:]])
    images, test_images = (resize_and_pad_all(part, side, enlarge=True) for part in (data.images, data.test_images))
    classes = [str(number) for number in range(data.labels.max() + 1)]
    settings = SplitSettings.model_validate(params.split.model_dump() | {"scheme": "official", "random_state": seed})
    parts = split(data.labels, settings, classes=classes, has_test=True)
    model = params.model.model_copy(update={"mirror": data.mirror})
    started = time.perf_counter()
    classifier, _ = train_classifier(
        model.at_size(model.size).for_images(len(parts.train), side),
        params.finetune.model_copy(update={"seed": seed}),
        TrainingData(
            LabelledImages(images[parts.train], data.labels[parts.train]),
            LabelledImages(images[parts.validation], data.labels[parts.validation]),
            classes,
        ),
        views=model.allowed_views(),
    )
    seconds = time.perf_counter() - started
    predicted = classifier.log_probabilities(test_images, select_device()).argmax(1).numpy()
    return float(np.mean(predicted == data.test_labels)), seconds


def load_template() -> Params:
    """Load the settings that `make init` writes."""
    content = load_yaml(TEMPLATE)
    content["ingest"]["source"], content["split"]["scheme"] = "folder", "fractions"
    return check(content, source=str(TEMPLATE))


def fit_classifier(data: Data, name: str) -> float:
    """Fit a classifier with its best parameters; give its test accuracy."""
    classifier, grid = CLASSIFIERS[name]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    pixels, test_pixels = (images.reshape(len(images), -1) / 255 for images in (data.images, data.test_images))
    drawn = draw_stratified(data.labels, MAX_SEARCH_IMAGES, seed=0)
    with warnings.catch_warnings(action="ignore"):  # some parameters do not converge, and are not chosen
        search = GridSearchCV(classifier, grid, cv=folds, n_jobs=os.cpu_count(), refit=False)
        search.fit(pixels[drawn], data.labels[drawn])
        best = clone(classifier).set_params(**search.best_params_).fit(pixels, data.labels)
    return float(best.score(test_pixels, data.test_labels))


def table(rows: dict[str, Any]) -> str:
    names = ["final model", *CLASSIFIERS]
    text = f"| data | labelled | test | {' | '.join(names)} | seconds |\n| --- |{' --: |' * (len(names) + 3)}\n"
    for data, row in rows.items():
        means = [statistics.mean(row[name]) for name in ("final", *CLASSIFIERS)]
        cells = [f"**{mean:.4f}**" if mean == max(means) else f"{mean:.4f}" for mean in means]
        labelled, test = row["images"]
        text += (
            f"| {data} | {labelled:,} | {test:,} | {' | '.join(cells)} | {statistics.median(row['seconds']):.0f} |\n"
        )
    return text


if __name__ == "__main__":
    main()
