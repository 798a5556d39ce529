"""Compare the runs of each system over all seeds: seeds/TABLE.json.

python -m stages.results.compare_seeds seeds
"""

from typing import Any

import numpy as np

from fashion.files import read_array, read_json, write_json
from fashion.params import Params
from fashion.results.seeds import SeedRuns, seeds_table
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml
from stages import paths
from stages.entry import run_stage


def main(params: Params, table: str) -> None:
    listed = load_yaml(paths.SEEDS_LIST)
    runs = {run: paths.split_run(run) for group in ("trainings", "finetunings") for run in listed[group]}
    remove_stale(set(runs))
    variants = read_json(paths.METRICS / "variants.json")
    labels = np.asarray(read_array(paths.labels(paths.SPLIT, "test")))
    names = {name for name, _ in runs.values()}
    systems: dict[str, SeedRuns] = {}
    for name in (name for name in variants if name in names):
        main_seed = params.finetune.seed if name == FINAL else params.train.seed
        correct = read_array(paths.log_probabilities(name)).argmax(1) == labels
        systems[name] = SeedRuns({main_seed: accuracies(variants[name])}, [correct])
    for run, (name, seed) in runs.items():
        assert seed is not None
        systems[name].accuracies[seed] = accuracies(read_json(paths.scores(run)))
        systems[name].correct.append(read_array(paths.correct(run)))
    results = seeds_table(systems, {name: variants[name]["baseline"] for name in systems})
    write_json(paths.SEEDS / f"{table}.json", results)
    for name, row in results.items():
        test = row["test_accuracy"]
        print(f"{name}: test {test['mean']:.4f}, ± {test['deviation']:.4f} over {len(row['runs'])} seeds", flush=True)


def accuracies(scores: dict[str, Any]) -> dict[str, float]:
    return {key: scores[key] for key in ("val_accuracy", "test_accuracy")}


def remove_stale(runs: set[str]) -> None:
    """Remove the scores of runs that are no longer listed.

    `compare_seeds` depends on the whole folder, which must be the same on every machine.
    """
    folder = paths.SEEDS_DATA / "evaluated"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.stem not in runs:
            path.unlink()


if __name__ == "__main__":
    run_stage(main)
