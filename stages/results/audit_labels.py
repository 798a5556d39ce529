"""List labels that are probably wrong: data/audit/labels.csv, and the first of them in plots/audit/labels.png.

python -m stages.results.audit_labels
"""

import numpy as np

from fashion.files import read_array, read_json, write_json, write_rows
from fashion.images.parts import read_images, read_samples
from fashion.params import Params
from fashion.results.figures.audit import draw_labels
from fashion.results.figures.style import save
from fashion.results.wrong_labels import find_wrong_labels
from stages import paths
from stages.entry import run_stage

MAX_SHOWN = 32  # in the figure and in the report
COLUMNS = ("file", "label", "likelier_label", "score")


def main(_: Params) -> None:
    images, labels = read_images(paths.SPLIT, "labelled")
    classes, samples = read_json(paths.ABOUT)["classes"], read_samples(paths.SPLIT)
    log_probabilities = read_array(paths.AUDIT / "out_of_fold.npy")
    known = np.flatnonzero(np.isfinite(log_probabilities[:, 0]))
    found = [
        (known[index], likelier, score)
        for index, likelier, score in find_wrong_labels(labels[known], np.exp(log_probabilities[known]))
    ]
    rows = [
        {
            "file": samples[index]["file"],
            "label": classes[labels[index]],
            "likelier_label": classes[likelier],
            "score": f"{score:.4f}",
        }
        for index, likelier, score in found
    ]
    write_rows(paths.AUDIT / "labels.csv", rows, COLUMNS)
    folder = paths.PLOTS / "audit"
    save(draw_labels(images[[index for index, _, _ in found[:MAX_SHOWN]]], rows), folder / "labels.png")
    write_json(folder / "labels.json", {"images": len(known), "found": len(rows), "first": rows[:MAX_SHOWN]})
    print(f"audit_labels: {len(rows)} of {len(known)} labels are probably wrong", flush=True)


if __name__ == "__main__":
    run_stage(main)
