"""Look through the data before training: copies, contradictions, leaks between parts, images that look faulty.

python -m stages.data.audit

data/audit/copies.csv: pairs of copies and near copies, the worst first. data/audit/images.csv: images that are blank,
dark, bright, blurred, small or of an odd shape. `show_audit` draws the first of both.
"""

from collections import Counter
from typing import Any

import numpy as np

from fashion.errors import InputError
from fashion.files import read_array, write_rows
from fashion.images.near_copies import near_copies
from fashion.images.parts import read_samples
from fashion.images.quality import find_faults
from fashion.params import Params
from fashion.results.audit import NOT_USED, copy_rows, exact_pairs
from stages import paths
from stages.entry import run_stage

COPIES = ("problem", "correlation", "file", "class", "part", "other_file", "other_class", "other_part")
IMAGES = ("problem", "file", "class", "part", "height", "width")
BELOW_1 = 0.9999  # correlation of near copies, which are no exact ones, as it is written
FAILURES = {"leaks": "leak", "contradictions": "contradiction"}
REMEDIES = {
    "leaks": "remove images, or keep near copies together where parts are drawn by split.near_duplicates: group",
    "contradictions": "remove the image that has the wrong class, or both",
}


def main(params: Params) -> None:
    samples, images = read_all()
    copies = find_copies(samples, images, params.audit.least_correlation)
    sizes = [(int(sample["height"]), int(sample["width"])) for sample in samples]
    faults = [samples[index] | {"problem": problem} for index, problem in find_faults(images, sizes)]
    for name, columns, rows in (("copies", COPIES, copies), ("images", IMAGES, faults)):
        write_rows(paths.AUDIT / f"{name}.csv", [{key: row[key] for key in columns} for row in rows], columns)
    for problem, count in Counter(row["problem"] for row in [*copies, *faults]).items():
        print(f"audit: {problem}: {count}", flush=True)
    for name in params.audit.fail_on:
        found = [f"{row['file']} = {row['other_file']}" for row in copies if row["problem"] == FAILURES[name]]
        if found:
            are = f"is 1 {FAILURES[name]}," if len(found) == 1 else f"are {len(found):,} {name}, such as"
            raise InputError(
                f"params.yaml: audit.fail_on: there {are} {', '.join(found[:3])}; {REMEDIES[name]}; "
                f"{paths.AUDIT / 'copies.csv'} lists all"
            )


def read_all() -> tuple[list[dict[str, Any]], np.ndarray]:
    """Read the rows and the images of all parts: labelled, of an official test set, to be labelled."""
    by_file = {row["file"]: row["part"] for row in read_samples(paths.SPLIT)}
    samples = [
        row | {"part": by_file.get(row["file"], NOT_USED) if row["class"] else row["part"]}
        for row in read_samples(paths.INGESTED)
    ]
    images = [read_array(paths.images(paths.INGESTED, part)) for part in ("train", "test", "unlabelled")]
    return samples, np.concatenate(images)


def find_copies(samples: list[dict[str, Any]], images: np.ndarray, least: float) -> list[dict[str, Any]]:
    """Find exact copies, of the files as they came, and near copies, of the images as they are trained on."""
    exact = exact_pairs(samples)
    pairs, correlations = near_copies(images, least=least)
    names = np.array([sample["first_copy"] for sample in samples])
    near = names[pairs[:, 0]] != names[pairs[:, 1]]
    all_pairs = [*exact, *pairs[near].tolist()]
    return copy_rows(samples, all_pairs, [*[1.0] * len(exact), *np.minimum(correlations[near], BELOW_1).tolist()])


if __name__ == "__main__":
    run_stage(main)
