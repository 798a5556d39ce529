"""Measure what a single split, folds and a refit are worth on few images, and whether their intervals hold.

python -m benchmarks.small_data                         all data sets, three draws each
python -m benchmarks.small_data --data "digits, 8x8" --draws 10

Each draw trains the final model, with the settings that `make init` writes, in four ways: on a single split; once more
on its training and validation images; in five folds, whose members answer together; and once more on all images of the
folds. The figure that each way would report, of its own test images, is compared with the accuracy on images that were
held back: `promised` and `held back`. An interval holds if the second lies in it.
Needs what benchmarks/other_data.py needs. Writes benchmarks/small_data.json and a table of docs/your_own_data.md.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.other_data import DATA, Data, prepare
from fashion.classifier.device import select_device
from fashion.classifier.ensemble import Ensemble
from fashion.files import read_json, with_section
from fashion.images.parts import Part, any_member, members_with
from fashion.results.significance import wilson_interval

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/small_data.json"
PAGE = ROOT / "docs/your_own_data.md"
SMALL = [name for name in DATA if "whole" not in name]
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SMALL, action="append", help="only this one; the other rows are kept")
    parser.add_argument("--draws", type=int, default=3, help="number of draws of the images; default: 3")
    arguments = parser.parse_args()
    rows = read_json(RESULTS) if RESULTS.exists() else {}
    for name in arguments.data or SMALL:
        rows[name] = []
        for seed in range(arguments.draws):
            rows[name] += measure(DATA[name](seed), seed)
            for row in rows[name][-4:]:
                print(
                    f"{name}, draw {seed}, {row['way']}: promised {row['promised']:.4f} "
                    f"({row['interval'][0]:.3f} to {row['interval'][1]:.3f}), held back {row['held_back']:.4f}, "
                    f"{row['seconds']:.0f} s",
                    flush=True,
                )
        write({key: rows[key] for key in SMALL if key in rows})


def measure(data: Data, seed: int) -> list[dict[str, Any]]:
    """Train in all ways on one draw; give a row for each."""
    prepared, device = prepare(data), select_device()
    rows = []
    for folds, names in ((0, ("split", "split, refit")), (FOLDS, ("folds", "folds, refit"))):
        parts = prepared.split(seed, scheme="fractions", folds=folds)
        times = [time.perf_counter()]

        def watch(training: str, *_: object, times: list[float] = times) -> tuple[tuple, None]:
            if training == "refit":
                times.append(time.perf_counter())
            return (), None

        ensemble = prepared.train(parts, seed, refit=True, watch=watch)
        seconds = times[1] - times[0], time.perf_counter() - times[0]
        tested = any_member(parts, Part.TEST)
        for way, used, took in zip(names, (Ensemble(ensemble.members), ensemble), seconds, strict=True):
            if folds:  # the refit has seen all images: its figures are those of the members
                members = members_with(parts, Part.TEST)
                predicted = ensemble.predict_with(members, prepared.images[tested], device).labels
            else:
                predicted = used.predict(prepared.images[tested], device).labels
            right = int((predicted == data.labels[tested]).sum())
            held_back = used.predict(prepared.test_images, device).labels == data.test_labels
            rows.append(
                {
                    "draw": seed,
                    "way": way,
                    "promised": right / len(tested),
                    "interval": wilson_interval(right, len(tested)),
                    "held_back": float(held_back.mean()),
                    "images": [len(data.labels), len(data.test_labels)],
                    "seconds": round(took, 1),
                }
            )
    return rows


def write(rows: dict[str, list[dict[str, Any]]]) -> None:
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "small data", table(rows)), encoding="utf-8")


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Make the table of the page: means over the draws, and median seconds."""
    text = "\n| data | labelled images | way | promised | held back | intervals that hold | seconds |\n"
    text += "| --- | --: | --- | --: | --: | --: | --: |\n"
    for name, measured in rows.items():
        for way in dict.fromkeys(row["way"] for row in measured):
            of_way = [row for row in measured if row["way"] == way]
            promised, held_back = (statistics.mean(row[key] for row in of_way) for key in ("promised", "held_back"))
            seconds = statistics.median(row["seconds"] for row in of_way)
            hold = sum(row["interval"][0] <= row["held_back"] <= row["interval"][1] for row in of_way)
            text += (
                f"| {name} | {of_way[0]['images'][0]:,} | {way} | {promised:.3f} | {held_back:.3f} | "
                f"{hold} of {len(of_way)} | {seconds:.0f} |\n"
            )
    return text + "\n"


if __name__ == "__main__":
    main()
