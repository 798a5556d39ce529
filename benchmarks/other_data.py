"""Compare the test accuracy of the final model with that of five scikit-learn classifiers, on eight data sets.

python -m benchmarks.other_data                           all data sets
python -m benchmarks.other_data --data "digits, 8x8"      one data set; the results of the others are kept
python -m benchmarks.other_data --final                   only the final model; the other classifiers are kept

The final model has the settings that `make init` writes. It is trained on 80% of the labelled images; the other 20%
select its best epoch. The parameters of each classifier are chosen by cross-validation on at most 5,000 labelled
images, and it is then fitted to all. All are tested on the same images. Each data set is drawn with three seeds, except
all of Fashion-MNIST, where only the final model depends on the seed. The two data sets in colour are fetched: emoji
from the npm registry (emoji-datasource-twitter, CC-BY 4.0), icons from Debian's archive (oxygen-icon-theme, LGPL); on
them, the final model is also trained on the same images in grey.
Needs data/ingested: run `dvc repro ingest` first; and npm and apt-get for emoji and icons. Writes
benchmarks/other_data.json and a table of docs/your_own_data.md.
"""

import argparse
import atexit
import functools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.preparation import crop
from fashion.files import read_array, read_json, with_section
from fashion.images.split import split
from fashion.init import TEMPLATE
from fashion.params import Params, check
from fashion.settings.frame import Frame, chosen_size
from fashion.settings.parsing import load_yaml
from fashion.settings.split import SplitSettings
from fashion.sources.image_file import read_image
from fashion.sources.resizing import resize_and_pad, resize_and_pad_all
from fashion.sources.survey import decide_frame, survey_files
from fashion.training.ensemble import LabelledParts, train_ensemble

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
    """Labelled images and test images, uint8 of N x C x side x side, without margin.

    mirror: whether an image mirrored left to right has the same class. background: of each channel.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    mirror: bool = False
    background: tuple[int, ...] = (0,)


def digits(seed: int) -> Data:
    bunch = datasets.load_digits()
    images = np.rint(bunch.images * 255 / bunch.images.max()).astype(np.uint8)
    return hold_out_test(images[:, None], bunch.target, seed)


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
    return hold_out_test(np.concatenate(patches)[:, None], np.array(labels), seed, mirror=True)


def fashion(seed: int, *, count: int | None = None) -> Data:
    """Draw `count` labelled images of Fashion-MNIST, stratified by class, or take all; all test images."""
    folder = ROOT / "data/ingested"
    images, labels, test_images, test_labels = (
        read_array(folder / f"{part}_{array}.npy") for part in ("train", "test") for array in ("images", "labels")
    )
    frame = Frame.model_validate(read_json(folder / "about.json")["frame"])
    images, test_images = (crop(part, [frame.content_height, frame.content_width]) for part in (images, test_images))
    drawn = draw_stratified(labels, count or len(labels), seed)
    return Data(images[drawn], labels[drawn], test_images, test_labels, mirror=True)


def emoji(seed: int) -> Data:
    """Read Twitter's emoji, of 64 x 64 pixels with transparency, in the nine categories of Unicode.

    Skin-tone variants are left out: copies in other colours would be on both sides of the split.
    """
    folder = (
        fetched("emoji", ("npm", "pack", "--silent", "emoji-datasource-twitter@16.0.0"), ("tar", "-xzf")) / "package"
    )
    listed = [entry for entry in read_json(folder / "emoji.json") if entry["category"] != "Component"]
    paths = [folder / "img/twitter/64" / entry["image"] for entry in listed]
    return hold_out_files(paths, [entry["category"] for entry in listed], seed)


def icons(seed: int) -> Data:
    """Read KDE's Oxygen icons, of 32 x 32 pixels with transparency, in nine classes of 12 to 629 images."""
    folder = fetched("icons", ("apt-get", "-qq", "download", "oxygen-icon-theme"), ("dpkg-deb", "-x"))
    paths = [
        path
        for path in sorted((folder / "usr/share/icons/oxygen/base/32x32").glob("*/*.png"))
        if path.parent.name != "animations" and not path.is_symlink()  # two images; other names of the same images
    ]
    return hold_out_files(paths, [path.parent.name for path in paths], seed)


@functools.cache
def fetched(name: str, download: tuple[str, ...], unpack: tuple[str, ...]) -> Path:
    """Download a package into a temporary folder, once, and unpack it there."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder)
    subprocess.run(download, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    package = next(folder.iterdir())
    subprocess.run([*unpack, package, *([folder] if unpack[0] == "dpkg-deb" else [])], cwd=folder, check=True)
    return folder


def hold_out_files(paths: list[Path], classes: list[str], seed: int) -> Data:
    """Read image files as `ingest` does, with the settings of `make init`, and hold out 20% of each class.

    Of exact copies, such as flags of islands, only the first is kept: others would be on both sides of the split.
    """
    survey = survey_files(paths, len(paths))
    frame = decide_frame(survey, len(paths), load_template().ingest)
    first = {facts.digest: index for index, facts in reversed([*enumerate(survey.facts)])}
    kept = sorted(first.values())
    images = np.stack([resize_and_pad(read_image(paths[index], frame), frame) for index in kept])
    data = hold_out_test(images, np.unique(classes, return_inverse=True)[1][kept], seed)
    return replace(data, background=tuple(frame.background))


def in_grey(data: Data) -> Data:
    def convert(images: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))[None] for image in images])

    background = convert(np.array(data.background, np.uint8).reshape(1, 3, 1, 1))
    return replace(
        data,
        images=convert(data.images),
        test_images=convert(data.test_images),
        background=(int(background[0, 0, 0, 0]),),
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
    "emoji in colour, 64x64": emoji,
    "icons in colour, 32x32": icons,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATA, action="append", help="only this one; the other rows are kept")
    parser.add_argument("--final", action="store_true", help="only the final model; the others are kept")
    arguments = parser.parse_args()
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for name in arguments.data or list(DATA):
        classifiers = [] if arguments.final and name in rows else list(CLASSIFIERS)
        rows[name] = rows.get(name, {}) | {
            key: [] for key in ("images", "seconds", "final", "final in grey", *classifiers)
        }
        for seed in SEEDS:
            data = DATA[name](seed)
            rows[name]["images"] = [len(data.labels), len(data.test_labels)]
            accuracy, seconds = train_final_model(data, seed)
            rows[name]["final"].append(accuracy)
            rows[name]["seconds"].append(round(seconds, 1))
            print(f"{name}, seed {seed}: final model {accuracy:.4f} in {seconds:.0f} s", flush=True)
            if data.images.shape[1] == 3:
                rows[name]["final in grey"].append(train_final_model(in_grey(data), seed)[0])
                print(f"{name}, seed {seed}: final model in grey {rows[name]['final in grey'][-1]:.4f}", flush=True)
            for classifier in classifiers:
                if name == ALL_FASHION and seed != SEEDS[0]:
                    continue  # the same images give the same classifier
                rows[name][classifier].append(fit_classifier(data, classifier))
                print(f"{name}, seed {seed}: {classifier} {rows[name][classifier][-1]:.4f}", flush=True)
        write({key: rows[key] for key in DATA if key in rows})


def write(rows: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "other data", table(rows)), encoding="utf-8")


@dataclass
class Prepared:
    """A draw of a data set as the final model is trained on it.

    test_images: fitted to the same frame as the labelled ones. params: what `make init` writes.
    """

    data: Data
    images: np.ndarray
    test_images: np.ndarray
    frame: Frame
    classes: list[str]
    params: Params

    def split(self, seed: int, **changes: Any) -> np.ndarray:
        """Split the labelled images; give the part of each, for each member. changes: of the settings."""
        settings = self.params.split.model_dump() | {"random_state": seed} | changes
        is_official = settings["scheme"] == "official"
        return split(
            self.data.labels, SplitSettings.model_validate(settings), classes=self.classes, has_test=is_official
        )

    def train(self, parts: np.ndarray, seed: int, **options: Any) -> Ensemble:
        """Train the final model as its stage does. options: class_weights, and those of `train_ensemble`."""
        model = self.params.model.model_copy(update={"mirror": self.data.mirror})
        model = model.at_size(model.size)
        changes = {"seed": seed, "class_weights": options.pop("class_weights", "none")}
        ensemble, _ = train_ensemble(
            lambda num_images: model.for_images(num_images, self.frame.height, self.frame.width),
            self.params.finetune.model_copy(update=changes),
            LabelledParts(self.images, self.data.labels, parts, self.classes, self.frame),
            test_time_augmentation=model.allowed_augmentation(),
            **options,
        )
        return ensemble


def prepare(data: Data) -> Prepared:
    height, width = chosen_size(*data.images.shape[2:])
    frame = Frame.model_validate(
        {"channels": data.images.shape[1], "height": height, "width": width, "background": list(data.background)}
        | {"content_height": height, "content_width": width, "enlarge": True}
    )
    images, test_images = (resize_and_pad_all(part, frame) for part in (data.images, data.test_images))
    classes = [str(number) for number in range(data.labels.max() + 1)]
    return Prepared(data, images, test_images, frame, classes, load_template())


def train_final_model(data: Data, seed: int) -> tuple[float, float]:
    """Train the final model on a single split; give its test accuracy, and the seconds that the training took."""
    prepared = prepare(data)
    started = time.perf_counter()
    ensemble = prepared.train(prepared.split(seed, scheme="official", folds=0), seed)
    seconds = time.perf_counter() - started
    predicted = ensemble.predict(prepared.test_images, select_device()).labels
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
    names = ["final model", "in grey", *CLASSIFIERS]
    text = f"| data | labelled | test | {' | '.join(names)} | seconds |\n| --- |{' --: |' * (len(names) + 3)}\n"
    for data, row in rows.items():
        means = [
            statistics.mean(row[name]) if row.get(name) else 0 for name in ("final", "final in grey", *CLASSIFIERS)
        ]
        cells = [f"**{mean:.4f}**" if mean == max(means) else f"{mean:.4f}" if mean else "" for mean in means]
        labelled, test = row["images"]
        text += (
            f"| {data} | {labelled:,} | {test:,} | {' | '.join(cells)} | {statistics.median(row['seconds']):.0f} |\n"
        )
    return text


if __name__ == "__main__":
    main()
