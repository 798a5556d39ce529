import numpy as np
import pytest

from fashion.results.seeds import SeedRuns, seeds_table

RANDOM = np.random.default_rng(0)


def make_runs(*accuracies: float) -> SeedRuns:
    scores = {seed: {"val_accuracy": value + 0.01, "test_accuracy": value} for seed, value in enumerate(accuracies)}
    return SeedRuns(scores, [RANDOM.random(1000) < value for value in accuracies])


def test_each_system_has_its_runs_with_mean_and_standard_deviation() -> None:
    row = seeds_table({"base": make_runs(0.8, 0.82, 0.84)}, {"base": "base"})["base"]
    assert row["runs"]["2"] == {"val_accuracy": 0.85, "test_accuracy": 0.84}
    assert row["test_accuracy"] == pytest.approx({"mean": 0.82, "deviation": 0.02})
    assert row["val_accuracy"] == pytest.approx({"mean": 0.83, "deviation": 0.02})


def test_a_system_is_compared_with_its_baseline_if_that_has_several_runs() -> None:
    systems = {
        "base": make_runs(0.8, 0.81),
        "wide": make_runs(0.9, 0.91),
        "alone": make_runs(0.9, 0.91),
        "other": make_runs(0.7, 0.71),
    }
    baselines = {"base": "base", "wide": "base", "alone": "not_repeated", "other": None}
    table = seeds_table(systems, baselines)
    assert table["wide"]["against_baseline"]["difference"] == pytest.approx(0.1, abs=0.02)
    assert [table[name]["against_baseline"] for name in ("base", "alone", "other")] == [None] * 3
