"""Train three systems with three seeds in both precisions, and compare their validation accuracy.

Needs data/split, as `dvc repro split` leaves it. Writes benchmarks/precision.json and a table of docs/performance.md.
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
SYSTEMS = ("mlp_200", "kernel_5", "keras_1")  # the quickest of each kind: 15 minutes in all on 2 cores
SEEDS = (0, 1, 2)
PRECISIONS = ("bf16", "fp32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    cases = list(itertools.product(SYSTEMS, PRECISIONS, SEEDS))
    rows: dict[tuple[str, str], list[float]] = {}
    context = multiprocessing.get_context("spawn")  # each training in a process of its own, as in a stage
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        for (system, precision, seed), best in zip(cases, pool.map(train, *zip(*cases, strict=True)), strict=True):
            rows.setdefault((system, precision), []).append(best)
            print(f"{system} {precision} seed {seed}: best validation accuracy {best:.4f}", flush=True)
    results = [
        {"system": system, "precision": precision, "val_accuracy": values, "mean": round(statistics.mean(values), 4)}
        for (system, precision), values in rows.items()
    ]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "precision", table(results)), encoding="utf-8")
    print(f"wrote {RESULTS.relative_to(ROOT)} and the table of {PAGE.relative_to(ROOT)}")


def train(name: str, precision: str, seed: int) -> float:
    """Train one system as its stage does, but for precision and seed; give the best validation accuracy."""
    from fashion.files import read_array, read_json
    from fashion.params import check
    from fashion.settings.parsing import load_yaml
    from fashion.training.learning import Callbacks, Labelled, learn

    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    variant = params.variants[name]
    folder, about = ROOT / "data" / variant.images, read_json(ROOT / "data/ingested/about.json")
    train, validation = (
        Labelled(read_array(folder / f"{part}_images.npy"), read_array(folder / f"{part}_labels.npy"))
        for part in ("train", "validation")
    )
    _, history = learn(
        variant,
        params.train.model_copy(update={"precision": precision, "seed": seed}),
        train,
        validation,
        classes=about["classes"],
        content=about["content"],
        callbacks=Callbacks(lambda *_: None, lambda _: None),
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
