"""Name the pairs of copies in a data set by what they do to its figures."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
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


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table of data/audit."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def with_copy_elsewhere(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Give the files of the labelled images that have a copy in another part, or a copy of a copy.

    rows: of data/audit/copies.csv, which pairs an image with only some of its copies.
    """
    part_of: dict[str, str] = {}
    leader: dict[str, str] = {}  # of each file; it leads to the first of its copies

    def first_of(file: str) -> str:
        while leader.setdefault(file, file) != file:
            leader[file] = file = leader[leader[file]]
        return file

    for row in rows:
        if row["class"] and row["other_class"] and NOT_USED not in (row["part"], row["other_part"]):
            part_of |= {row["file"]: row["part"], row["other_file"]: row["other_part"]}
            leader[first_of(row["other_file"])] = first_of(row["file"])
    parts = defaultdict(set)
    for file, part in part_of.items():
        parts[first_of(file)].add(part)
    return {file for file in part_of if len(parts[first_of(file)]) > 1}


def expected_leaks(groups: np.ndarray, train_share: float) -> float:
    """Compute the share of images that a random split would test with a copy among the training images.

    groups: numbers of N labelled images; copies have the same. train_share: of the images, that are trained on.

    >>> round(expected_leaks(np.array([0, 0, 1, 2]), train_share=0.6), 4)
    0.3
    """
    sizes = np.bincount(groups)[groups]
    return float(np.mean(1 - (1 - train_share) ** (sizes - 1)))
