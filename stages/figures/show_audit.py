"""Draw copies and images that look faulty, and count what the data are, in plots/audit.

python -m stages.figures.show_audit
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fashion.files import read_array, write_json
from fashion.images.groups import join_groups
from fashion.images.parts import Part, read_samples
from fashion.params import Params
from fashion.results.audit import PROBLEMS, expected_leaks, read_rows
from fashion.results.figures.audit import draw_copies, draw_faults
from fashion.results.figures.style import save
from stages import paths
from stages.entry import run_stage

MAX_LISTED = 10  # sizes and modes of files
EXACT = "1.0000"  # correlation of exact copies, as the audit writes it


def main(params: Params) -> None:
    folder, samples = paths.PLOTS / "audit", read_samples(paths.INGESTED)
    copies, faults = (read_rows(paths.AUDIT / f"{name}.csv") for name in ("copies", "images"))
    together = [row for row in copies if row["correlation"] == EXACT or params.split.near_duplicates == "group"]
    summary = {
        "sizes": most_common(f"{sample['height']}x{sample['width']}" for sample in samples),
        "modes": most_common(sample["mode"] for sample in samples),
        "copies": {problem: sum(row["problem"] == problem for row in copies) for problem in PROBLEMS},
        "near": sum(float(row["correlation"]) < 1 for row in copies),
        "kept_together": kept_together(together),
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


def kept_together(rows: Sequence[Mapping[str, str]]) -> float:
    """Compute the share of images that a random split would test with a copy among the training images.

    rows: pairs of copies that the split keeps in one part. 0 if no test images are drawn.
    """
    parts = read_array(paths.PARTS)
    if not (parts == Part.TEST).any():
        return 0.0
    positions = {sample["file"]: index for index, sample in enumerate(read_samples(paths.SPLIT)[: parts.shape[1]])}
    files = [(row["file"], row["other_file"]) for row in rows if row["class"] == row["other_class"]]
    pairs = [(positions[one], positions[other]) for one, other in files if one in positions and other in positions]
    groups = join_groups(np.arange(parts.shape[1]), pairs=np.array(pairs, int).reshape(-1, 2))
    return expected_leaks(groups, float((parts == Part.TRAIN).mean()))


def most_common(values: Iterable[str]) -> dict[str, int]:
    """Count values; keep the most common ones."""
    return dict(Counter(values).most_common(MAX_LISTED))


if __name__ == "__main__":
    run_stage(main)
