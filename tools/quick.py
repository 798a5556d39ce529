"""Prepare quick/: a short run of all systems on few images, for few epochs. The results in git stay as they are.

python -m tools.quick

quick/ has its own settings and results; code and raw images are linked to the project's. `make quick` then runs all
stages in it by `abreast rehearse`, without DVC's cache and lock: with them, starting DVC, Python and torch for each of
71 short stages took longer than most of the stages.
"""

import math
import os
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fashion.errors import InputError
from fashion.files import write_json, write_text
from fashion.params import Params
from fashion.results.report.costs import read_costs
from stages import paths
from stages.entry import PARAMS, run_stage

FOLDER = Path("quick")
MEASURED = Path(".dvc/tmp/abreast/durations.json")  # in quick/; the runner writes it as stages end
CONFIG = "[core]\n    no_scm = true\n    analytics = false\n"
LINKED = (".dvcignore", "dvc.yaml", "pyproject.toml", "src", "stages")
IMAGES = 2000  # of each part
FOLDS = 3  # at most: each is a training of each system
EPOCHS_FACTOR = 0.2  # of the epochs of each phase, at least one
BATCH_SIZE = 64  # of the variants, for enough steps; the final model adapts its own
SIZE = "small"  # of the final model, if it has this size
TEST_TIME_AUGMENTATION = "none"  # six views of each image take six times as long to score
DURATION_FACTOR = 0.1  # of a stage's duration on all images: an estimate for the first run


def main(params: Params) -> None:
    for name in LINKED:
        link(FOLDER / name, Path("..", name))
    place_images(params.ingest.source)
    link(FOLDER / paths.WEIGHTS, Path("..", paths.WEIGHTS))  # of pretrained networks, if there are any
    (FOLDER / paths.PLOTS / "embedding").mkdir(parents=True, exist_ok=True)  # an input of the report
    link(FOLDER / paths.DURATIONS, MEASURED)  # the report then shows the durations of this run
    if not (FOLDER / MEASURED).exists():
        costs = read_costs(paths.DURATIONS)
        estimates = {stage: round(DURATION_FACTOR * cost.seconds, 1) for stage, cost in costs.items()}
        write_json(FOLDER / MEASURED, estimates)
    write_text(FOLDER / ".dvc/config", CONFIG)
    write_text(FOLDER / paths.SEEDS_RESULTS, "{}\n")  # one seed only
    yaml = YAML()
    settings = yaml.load(PARAMS)
    shorten(settings)
    yaml.dump(settings, FOLDER / PARAMS)
    print(f"{FOLDER}/: {len(params.variants) + 1} systems, at most {IMAGES:,} images of each part", flush=True)


def place_images(source: str) -> None:
    """Give quick/ the raw images: files in folders as hard links, since `ingest` refuses links to folders."""
    raw = FOLDER / paths.RAW
    if raw.is_dir() and not raw.is_symlink():
        shutil.rmtree(raw)  # of a run before
    if source == "folder":
        raw.unlink(missing_ok=True)
        try:
            shutil.copytree(paths.RAW, raw, copy_function=hard_link)
        except shutil.Error as error:  # such as a link to nothing
            file, _, reason = error.args[0][0]
            raise InputError(f"{file}: cannot be linked ({reason}); remove it, or put the file there") from None
    else:
        link(raw, Path("..", paths.RAW))


def hard_link(source: str, target: str) -> None:
    """Link a file, or what it links to; copy it where links are not possible."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


def link(path: Path, target: Path) -> None:
    """Make a symbolic link to `target`, given relative to the folder quick/."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(Path(*[".."] * (len(path.parts) - 2), target))


def shorten(settings: dict[str, Any]) -> None:
    """Reduce images, folds, epochs and batch sizes; keep layers and learning rates."""
    settings["split"]["at_most"] = IMAGES
    settings["split"]["folds"] = min(settings["split"].get("folds", 0), FOLDS)
    model = settings["model"]
    model["test_time_augmentation"] = TEST_TIME_AUGMENTATION
    if SIZE in model["sizes"]:
        model["size"] = SIZE
    for variant in settings["variants"].values():
        variant["batch_size"] = min(variant["batch_size"], BATCH_SIZE)
    for system in [*settings["variants"].values(), model]:
        for phase in system["phases"].values():
            phase["max_epochs"] = math.ceil(EPOCHS_FACTOR * phase["max_epochs"])
    for size in model["sizes"].values():
        size["max_epochs"] = {phase: math.ceil(EPOCHS_FACTOR * epochs) for phase, epochs in size["max_epochs"].items()}


if __name__ == "__main__":
    run_stage(main)
