"""Compare validation accuracy in bf16 and fp32: train three variants, with three seeds each.

python -m benchmarks.precision

Needs data/split: run `dvc repro split` first. Takes 15 minutes on 2 cores. Writes benchmarks/precision.json and a table
of docs/performance.md.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fashion.files import with_section

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/precision.json"
PAGE = ROOT / "docs/performance.md"
VARIANTS = ("mlp_200", "kernel_5", "keras_1")  # the fastest of each kind of network
SEEDS = (0, 1, 2)
PRECISIONS = ("bf16", "fp32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    cases = list(itertools.product(VARIANTS, PRECISIONS, SEEDS))
    accuracies: dict[tuple[str, str], list[float]] = {}
    context = multiprocessing.get_context("spawn")  # each training in its own process, as in a stage
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        best_accuracies = pool.map(train, *zip(*cases, strict=True))
        for (name, precision, seed), accuracy in zip(cases, best_accuracies, strict=True):
            accuracies.setdefault((name, precision), []).append(accuracy)
            print(f"{name} {precision} seed {seed}: best validation accuracy {accuracy:.4f}", flush=True)
    results = [
        {"system": name, "precision": precision, "val_accuracy": values, "mean": round(statistics.mean(values), 4)}
        for (name, precision), values in accuracies.items()
    ]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "precision", table(results)), encoding="utf-8")
    print(f"wrote {RESULTS.relative_to(ROOT)} and the table of {PAGE.relative_to(ROOT)}")


def train(name: str, precision: str, seed: int) -> float:
    """Train a variant as its stage does, but with this precision and seed; give its best validation accuracy."""
    from fashion.files import read_array, read_json
    from fashion.params import check
    from fashion.settings.frame import Frame
    from fashion.settings.parsing import load_yaml
    from fashion.training.train import LabelledImages, TrainingData, train_classifier

    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    variant = params.variants[name]
    folder, about = ROOT / "data" / variant.image_folder, read_json(ROOT / "data/ingested/about.json")
    train, validation = (
        LabelledImages(read_array(folder / f"{part}_images.npy"), read_array(folder / f"{part}_labels.npy"))
        for part in ("train", "validation")
    )
    _, history = train_classifier(
        variant,
        params.train.model_copy(update={"precision": precision, "seed": seed}),
        TrainingData(train, validation, about["classes"], Frame.model_validate(about["frame"])),
    )
    return round(max(row["val_accuracy"] for row in history), 4)


def table(results: list[dict]) -> str:
    text = f"\n| system | precision | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean |\n"
    text += f"| --- | --- | {' | '.join('--:' for _ in SEEDS)} | --: |\n"
    for row in results:
        values = " | ".join(f"{value:.4f}" for value in row["val_accuracy"])
        text += f"| {row['system']} | {row['precision']} | {values} | {row['mean']:.4f} |\n"
    return text + "\n"


if __name__ == "__main__":
    main()
