"""Put all trainings of each system side by side, whatever their seed: seeds/TABLE.json."""

from typing import Any

import numpy as np

import paths
from entry import run as run_stage
from fashion.files import read_array, read_json, write_json
from fashion.params import Params
from fashion.results.spread import Runs, spread_table
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml


def main(params: Params, table: str) -> None:
    listed = load_yaml(paths.AGAIN)
    again = {run: about["system"] for group in ("trainings", "finetunings") for run, about in listed[group].items()}
    remove_strangers(set(again))
    variants = read_json(paths.METRICS / "variants.json")
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    systems: dict[str, Runs] = {}
    for name in (name for name in variants if name in again.values()):
        main_seed = params.finetune.seed if name == FINAL else params.train.seed
        correct = read_array(paths.log_probabilities(name)).argmax(1) == labels
        systems[name] = Runs({main_seed: accuracies(variants[name])}, [correct])
    for run, name in again.items():
        systems[name].accuracies[int(run.rpartition("-")[2])] = accuracies(read_json(paths.scores_again(run)))
        systems[name].correct.append(read_array(paths.correct_again(run)))
    spread = spread_table(systems, {name: variants[name]["baseline"] for name in systems})
    write_json(paths.SEEDS / f"{table}.json", spread)
    for name, row in spread.items():
        test = row["test_accuracy"]
        print(f"{name}: test {test['mean']:.4f}, ± {test['deviation']:.4f} over {len(row['runs'])} seeds", flush=True)


def accuracies(scores: dict[str, Any]) -> dict[str, float]:
    return {key: scores[key] for key in ("val_accuracy", "test_accuracy")}


def remove_strangers(runs: set[str]) -> None:
    """Remove what former lists left: a folder that this depends on must hold the same on every machine."""
    folder = paths.scores_again("any").parent
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.stem not in runs:
            path.unlink()


if __name__ == "__main__":
    run_stage(main)
