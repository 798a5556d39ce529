"""Look through the data before training: copies, contradictions, leaks between parts, images that look faulty.

python -m stages.data.audit

data/audit/copies.csv: pairs of copies and near copies, the worst first. data/audit/images.csv: images that are blank,
dark, bright, blurred, small or of an odd shape. plots/audit has counts, and pictures of the first of both.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from fashion.errors import InputError
from fashion.files import read_array, read_json, write_json, write_rows
from fashion.images.near_copies import near_copies
from fashion.images.parts import read_samples
from fashion.images.quality import find_faults
from fashion.params import Params
from fashion.results.audit import PROBLEMS, copy_rows, exact_pairs
from fashion.results.figures.audit import draw_copies, draw_faults
from fashion.results.figures.style import save
from fashion.sources.notes import some
from stages import paths
from stages.entry import run_stage

COPIES = ("problem", "correlation", "file", "class", "part", "other_file", "other_class", "other_part")
IMAGES = ("problem", "file", "class", "part", "height", "width")
MAX_LISTED = 10  # sizes and modes of files
BELOW_1 = 0.9999  # correlation of near copies, which are no exact ones, as it is written
FAILURES = {"leaks": "leak", "contradictions": "contradiction"}


def main(params: Params) -> None:
    samples, images = read_all()
    copies = find_copies(samples, images, params.audit.least_correlation)
    sizes = [(int(sample["height"]), int(sample["width"])) for sample in samples]
    faults = [
        {"problem": problem, **{key: samples[index][key] for key in IMAGES[1:]}, "index": index}
        for index, problem in find_faults(images, sizes)
    ]
    write_table("copies", COPIES, copies)
    write_table("images", IMAGES, faults)
    classes = read_json(paths.ABOUT)["classes"]
    problems = {problem: sum(row["problem"] == problem for row in copies) for problem in PROBLEMS}
    problems_of_images = dict(Counter(row["problem"] for row in faults))
    about = {
        "classes": {name: sum(sample["class"] == name for sample in samples) for name in classes},
        "sizes": most_common(f"{sample['height']}x{sample['width']}" for sample in samples),
        "modes": most_common(sample["mode"] for sample in samples),
        "copies": problems,
        "near": sum(float(row["correlation"]) < 1 for row in copies),
        "images": problems_of_images,
    }
    write_json(paths.AUDIT_PLOTS / "summary.json", about)
    save(draw_copies(images, copies), paths.AUDIT_PLOTS / "copies.png")
    save(draw_faults(images, faults), paths.AUDIT_PLOTS / "images.png")
    for problem, count in {**problems, **problems_of_images}.items():
        if count:
            print(f"audit: {problem}: {count}", flush=True)
    for name in params.audit.fail_on:
        found = [f"{row['file']} = {row['other_file']}" for row in copies if row["problem"] == FAILURES[name]]
        if found:
            raise InputError(
                f"params.yaml: audit.fail_on: there are {len(found)} {name}: {some(found)}; remove images, or keep "
                f"them together by split.near_duplicates: group, or take {name} out of the list to see them all in "
                f"{paths.AUDIT / 'copies.csv'}"
            )


def read_all() -> tuple[list[dict[str, Any]], np.ndarray]:
    """Read the rows and the images of all parts: labelled, of an official test set, to be labelled."""
    ingested, split = read_samples(paths.INGESTED), read_samples(paths.SPLIT)
    by_file = {row["file"]: row["part"] for row in split}
    samples = [row | {"part": by_file.get(row["file"], row["part"])} for row in ingested]
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


def write_table(name: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write some columns of rows to data/audit/NAME.csv; without rows, the header."""
    write_rows(paths.AUDIT / f"{name}.csv", [{key: row[key] for key in columns} for row in rows], columns)


def most_common(values: Iterable[str]) -> dict[str, int]:
    """Count values; keep the most common ones."""
    return dict(Counter(values).most_common(MAX_LISTED))


if __name__ == "__main__":
    run_stage(main)
