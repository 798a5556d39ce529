"""Name the pairs of copies in a data set by what they do to its figures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PROBLEMS = ("contradiction", "leak", "known", "repeated")  # the worst first
NOT_USED = "unused"


def exact_pairs(samples: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """List pairs of exact copies: the first labelled image of a group of copies with each other image of it.

    samples: rows with `first_copy`, the file that names the group, and `class`, empty for an image to be labelled.
    """
    groups = defaultdict(list)
    for index, sample in enumerate(samples):
        groups[sample["first_copy"]].append(index)
    pairs = []
    for group in groups.values():
        labelled = [index for index in group if samples[index]["class"]]
        pairs += [(labelled[0], index) for index in group if labelled and index != labelled[0]]
    return pairs


def problem_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """Say what is wrong with two copies of an image; None if nothing is, as with a test image that is to be labelled.

    `contradiction`: two classes. `leak`: two parts, which makes figures too good. `known`: an image to be labelled that
    is learned from. `repeated`: twice in the same part.
    """
    if first["class"] and second["class"]:
        if first["class"] != second["class"]:
            return "contradiction"
        if NOT_USED in (first["part"], second["part"]):
            return None
        return "repeated" if first["part"] == second["part"] else "leak"
    labelled = first if first["class"] else second
    return "known" if labelled["class"] and labelled["part"] not in ("test", NOT_USED) else None


def copy_rows(
    samples: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[int, int]] | np.ndarray, correlations: Sequence[float]
) -> list[dict[str, Any]]:
    """Make a row for each pair of copies with a problem: the worst problems first, and the most alike of each first."""
    rows = []
    for (first, second), correlation in zip(pairs, correlations, strict=True):
        one, other = samples[first], samples[second]
        problem = problem_of(one, other)
        if problem:
            rows.append(
                {
                    "problem": problem,
                    "correlation": f"{correlation:.4f}",
                    **{key: one[key] for key in ("file", "class", "part")},
                    **{f"other_{key}": other[key] for key in ("file", "class", "part")},
                }
            )
    return sorted(rows, key=lambda row: (PROBLEMS.index(row["problem"]), -float(row["correlation"])))
