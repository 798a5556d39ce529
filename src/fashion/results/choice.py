"""Choose among systems by their figures on validation images."""

from collections.abc import Iterable, Mapping
from typing import Any


def best_by_validation(table: Mapping[str, Mapping[str, Any]], names: Iterable[str], choose_by: str) -> str:
    """Name the best of some systems. table: rows of metrics/variants.json. choose_by: see `TrainSettings`.

    >>> best_by_validation({"a": {"val_accuracy": 0.8}, "b": {"val_accuracy": 0.9}}, ["a", "b"], "accuracy")
    'b'
    """
    sign = -1 if choose_by == "loss" else 1
    return max(names, key=lambda name: sign * table[name][f"val_{choose_by}"])
