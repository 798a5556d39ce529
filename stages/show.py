"""Draw one system: plots/systems/NAME.svg."""

import csv
import json

import paths
from entry import run
from fashion.params import Params
from fashion.results.figures.style import save
from fashion.results.figures.systems import draw_system


def main(_: Params, name: str) -> None:
    with paths.history(name).open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    layers = json.loads(paths.layers(name).read_text(encoding="utf-8"))
    save(draw_system(name, history, layers), paths.PLOTS / "systems" / f"{name}.svg")
    print(f"{name}: drawn", flush=True)


if __name__ == "__main__":
    run(main)
