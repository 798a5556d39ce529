"""Draw copies and images that look faulty, and count what the data are, in plots/audit.

python -m stages.figures.show_audit
"""

import csv
from collections import Counter
from collections.abc import Iterable

import numpy as np

from fashion.files import read_array, write_json
from fashion.images.parts import read_samples
from fashion.params import Params
from fashion.results.audit import PROBLEMS
from fashion.results.figures.audit import draw_copies, draw_faults
from fashion.results.figures.style import save
from stages import paths
from stages.entry import run_stage

MAX_LISTED = 10  # sizes and modes of files


def main(_: Params) -> None:
    folder = paths.PLOTS / "audit"
    samples, copies, faults = read_samples(paths.INGESTED), read_rows("copies"), read_rows("images")
    summary = {
        "sizes": most_common(f"{sample['height']}x{sample['width']}" for sample in samples),
        "modes": most_common(sample["mode"] for sample in samples),
        "copies": {problem: sum(row["problem"] == problem for row in copies) for problem in PROBLEMS},
        "near": sum(float(row["correlation"]) < 1 for row in copies),
        "images": most_common(row["problem"] for row in faults),
    }
    write_json(folder / "summary.json", summary)
    images = ImagesByFile([sample["file"] for sample in samples])
    save(draw_copies(images, copies), folder / "copies.png")
    save(draw_faults(images, faults), folder / "images.png")
    print(f"show_audit: {len(copies)} pairs of copies, {len(faults)} images that look faulty", flush=True)


class ImagesByFile:
    """The images of all parts, C x H x W, by their files. files: in the order labelled, test, to be labelled."""

    def __init__(self, files: list[str]) -> None:
        self.positions = {file: position for position, file in enumerate(files)}
        self.parts = [read_array(paths.images(paths.INGESTED, part)) for part in ("train", "test", "unlabelled")]

    def __getitem__(self, file: str) -> np.ndarray:
        position = self.positions[file]
        for part in self.parts:
            if position < len(part):
                break
            position -= len(part)
        return part[position]


def read_rows(name: str) -> list[dict[str, str]]:
    """Read the rows of a table of data/audit."""
    with (paths.AUDIT / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def most_common(values: Iterable[str]) -> dict[str, int]:
    """Count values; keep the most common ones."""
    return dict(Counter(values).most_common(MAX_LISTED))


if __name__ == "__main__":
    run_stage(main)
