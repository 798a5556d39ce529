"""Lay out the folder `quick/` for a first look in minutes: all systems on a part of the images, trained briefly.

It has settings, results and a lock of its own; code, raw images and DVC's cache are the project's. `make quick` then
runs it. Results in git stay as they are.
"""

import math
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from ruamel.yaml import YAML

import paths
from entry import PARAMS, run
from fashion.files import write_text
from fashion.params import Params

FOLDER = Path("quick")
CONFIG = "[core]\n    no_scm = true\n    analytics = false\n[cache]\n    dir = {cache}\n"
SHARED = (".dvcignore", "dvc.yaml", "src", "stages", str(paths.RAW))
IMAGES = 2000  # of each part
EPOCHS = 0.2  # of those of each phase, but one at least
BATCH = 64  # images of a variant, for enough steps; the final model fits its own to how many images there are
SIZE = "small"  # of the final model, if it has such a one


def main(params: Params) -> None:
    for name in SHARED:
        link = FOLDER / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path(*[".."] * len(link.parts[1:]), name))
    with Repo() as repo:
        cache = repo.cache.local_cache_dir
    write_text(FOLDER / ".dvc/config", CONFIG.format(cache=cache))
    write_text(FOLDER / paths.SPREAD, "{}\n")  # one training of each
    if not (FOLDER / paths.DURATIONS).exists():
        write_text(FOLDER / paths.DURATIONS, "{}\n")
    yaml = YAML()
    settings = yaml.load(PARAMS)
    shorten(settings)
    yaml.dump(settings, FOLDER / PARAMS)
    print(f"{FOLDER}/: {len(params.variants) + 1} systems, on {IMAGES:,} images of each part at most", flush=True)


def shorten(settings: dict[str, Any]) -> None:
    """Make trainings short; layers and rates stay."""
    settings["split"]["at_most"] = IMAGES
    model = settings["model"]
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
