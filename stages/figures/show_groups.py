"""Draw figures that compare systems, each group with its baseline, in plots/groups.

python -m stages.figures.show_groups
"""

import csv
from typing import Any

from matplotlib.figure import Figure

from fashion.files import read_json
from fashion.params import Params
from fashion.results.figures import groups
from fashion.results.figures.style import save
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    folder = paths.PLOTS / "groups"
    table = read_json(paths.METRICS / "variants.json")
    histories = {}
    for name in table:
        with paths.history(name).open(encoding="utf-8") as file:
            histories[name] = list(csv.DictReader(file))
    losses = groups.draw_losses(table, families_of(params), histories)
    figures = {"validation_losses.svg": losses, **draw_results(params, table)}
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_groups: {len(figures)} figures in {folder}", flush=True)


def draw_results(params: Params, table: dict[str, dict[str, Any]]) -> dict[str, Figure]:
    """Draw the figures that need only the settings and metrics/variants.json, by file name."""
    families = families_of(params)
    settings = {name: variant.model_dump(exclude={"baseline", "reported"}) for name, variant in params.variants.items()}
    return {
        "accuracies.svg": groups.draw_accuracies(table, families),
        "systems.svg": groups.draw_test_accuracies(table, families, FINAL),
        "parameters.svg": groups.draw_parameters(table, families, FINAL),
        "settings.svg": groups.draw_sweeps(table, families, settings),
    }


def families_of(params: Params) -> dict[str, str]:
    return {name: variant.family for name, variant in params.variants.items()} | {FINAL: params.model.family}


if __name__ == "__main__":
    run_stage(main)
