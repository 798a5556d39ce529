"""Lay out the folder `quick/` for a first look in minutes: all systems on a part of the images, trained briefly.

It has settings and results of its own; code and raw images are the project's. `make quick` then runs all of it, with
neither DVC's cache nor its lock: to start DVC, Python and torch for each of 67 short stages took longer than most of
them. Results in git stay as they are.
"""

import math
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import paths
from entry import PARAMS, run
from fashion.files import write_json, write_text
from fashion.params import Params
from fashion.results.report.costs import read_costs

FOLDER = Path("quick")
MEASURED = Path(".dvc/tmp/abreast/durations.json")  # in it, written by the runner as stages end
CONFIG = "[core]\n    no_scm = true\n    analytics = false\n"
SHARED = (".dvcignore", "dvc.yaml", "pyproject.toml", "src", "stages", str(paths.RAW))
IMAGES = 2000  # of each part
EPOCHS = 0.2  # of those of each phase, but one at least
BATCH = 64  # images of a variant, for enough steps; the final model fits its own to how many images there are
SIZE = "small"  # of the final model, if it has such a one
VIEWS = "one"  # of an image, in place of six, which take six times as long to score and to label
SHARE = 0.1  # of the seconds that a stage takes on all images, for the order of the first time and the time left


def main(params: Params) -> None:
    for name in SHARED:
        link(FOLDER / name, Path("..", name))
    (FOLDER / "dvc.lock").unlink(missing_ok=True)  # of a time when DVC ran it
    link(FOLDER / paths.DURATIONS, MEASURED)  # so that the report has those of this very run
    if not (FOLDER / MEASURED).exists():
        whole = read_costs(paths.DURATIONS)
        write_json(FOLDER / MEASURED, {stage: round(SHARE * cost.seconds, 1) for stage, cost in whole.items()})
    write_text(FOLDER / ".dvc/config", CONFIG)
    write_text(FOLDER / paths.SPREAD, "{}\n")  # one training of each
    yaml = YAML()
    settings = yaml.load(PARAMS)
    shorten(settings)
    yaml.dump(settings, FOLDER / PARAMS)
    print(f"{FOLDER}/: {len(params.variants) + 1} systems, on {IMAGES:,} images of each part at most", flush=True)


def link(place: Path, target: Path) -> None:
    """Make a link to what lies at `target`, as seen from the folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(Path(*[".."] * (len(place.parts) - 2), target))


def shorten(settings: dict[str, Any]) -> None:
    """Make trainings short; layers and rates stay."""
    settings["split"]["at_most"] = IMAGES
    model = settings["model"]
    model["views"] = VIEWS
    if SIZE in model["sizes"]:
        model["size"] = SIZE
    for variant in settings["variants"].values():
        variant["batch_size"] = min(variant["batch_size"], BATCH)
    for system in [*settings["variants"].values(), model]:
        for phase in system["phases"].values():
            phase["max_epochs"] = math.ceil(EPOCHS * phase["max_epochs"])
    for size in model["sizes"].values():
        size["max_epochs"] = {phase: math.ceil(EPOCHS * epochs) for phase, epochs in size["max_epochs"].items()}


if __name__ == "__main__":
    run(main)
