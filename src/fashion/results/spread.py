"""How far results hang on the seed: all trainings of each system side by side."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion.results.significance import difference_over_seeds


@dataclass
class Runs:
    """The trainings of a system, in the same order in both.

    accuracies: of each seed, on validation and test. correct: which test images each has right, N booleans.
    """

    accuracies: dict[int, dict[str, float]]
    correct: list[np.ndarray]


def spread_table(systems: Mapping[str, Runs], baselines: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Give each system's runs, their mean and deviation, and a test against its baseline where that has several too."""
    table = {}
    for name, runs in systems.items():
        row: dict[str, Any] = {"runs": {str(seed): scores for seed, scores in runs.accuracies.items()}}
        for key in ("val_accuracy", "test_accuracy"):
            values = [scores[key] for scores in runs.accuracies.values()]
            row[key] = {"mean": statistics.mean(values), "deviation": statistics.stdev(values)}
        baseline = baselines[name]
        row["against_baseline"] = None
        if baseline is not None and baseline != name and baseline in systems:
            theirs = np.stack(systems[baseline].correct)
            row["against_baseline"] = difference_over_seeds(np.stack(runs.correct), theirs)
        table[name] = row
    return table
