"""Compare trainings of each system with different seeds: mean, standard deviation, and a test against the baseline."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion.results.significance import correct_for_number, difference_over_seeds


@dataclass
class SeedRuns:
    """The trainings of a system, in the same order in both fields.

    accuracies: `val_accuracy` and `test_accuracy`, by seed. correct: N booleans for each seed, whether a test image is
    predicted correctly.
    """

    accuracies: dict[int, dict[str, float]]
    correct: list[np.ndarray]


def seeds_table(systems: Mapping[str, SeedRuns], baselines: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Make a table with the runs of each system, their mean and standard deviation, and a test against its baseline.

    systems: each with at least two runs. `against_baseline` is None if the system has no baseline among `systems`.
    """
    table = {}
    for name, runs in systems.items():
        row: dict[str, Any] = {"runs": {str(seed): scores for seed, scores in runs.accuracies.items()}}
        for key in ("val_accuracy", "test_accuracy"):
            values = [scores[key] for scores in runs.accuracies.values()]
            row[key] = {"mean": statistics.mean(values), "deviation": statistics.stdev(values)}
        baseline = baselines[name]
        row["against_baseline"] = None
        if baseline is not None and baseline != name and baseline in systems:
            row["against_baseline"] = difference_over_seeds(np.stack(runs.correct), np.stack(systems[baseline].correct))
        table[name] = row
    correct_for_number(row["against_baseline"] for row in table.values())
    return table
