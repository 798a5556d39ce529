"""Draw the learning curves and layers of each system: plots/systems/NAME.svg.

python -m stages.figures.show_systems
"""

import csv

from fashion.files import read_json
from fashion.params import Params
from fashion.results.figures.style import save
from fashion.results.figures.systems import draw_system
from stages import paths
from stages.entry import run_stage


def main(_: Params) -> None:
    folder = paths.PLOTS / "systems"
    names = read_json(paths.METRICS / "variants.json")
    for name in names:
        with paths.history(name).open(encoding="utf-8") as file:
            history = list(csv.DictReader(file))
        layers = read_json(paths.layers(name))
        save(draw_system(name, history, layers), folder / f"{name}.svg")
        print(f"{name}: drawn", flush=True)
    for path in folder.iterdir():
        if path.stem not in names:
            path.unlink()  # of a variant that is no longer in params.yaml
    print(f"show_systems: {len(names)} figures in {folder}", flush=True)


if __name__ == "__main__":
    run_stage(main)
