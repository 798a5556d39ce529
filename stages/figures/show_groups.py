"""Draw figures that compare systems, each group with its baseline, in plots/groups.

python -m stages.figures.show_groups
"""

import csv

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
    families = {name: variant.family for name, variant in params.variants.items()} | {FINAL: params.model.family}
    histories = {}
    for name in table:
        with paths.history(name).open(encoding="utf-8") as file:
            histories[name] = list(csv.DictReader(file))
    settings = {name: variant.model_dump(exclude={"baseline", "reported"}) for name, variant in params.variants.items()}
    figures = {
        "validation_losses.svg": groups.draw_losses(table, families, histories),
        "accuracies.svg": groups.draw_accuracies(table, families),
        "systems.svg": groups.draw_test_accuracies(table, families, FINAL),
        "parameters.svg": groups.draw_parameters(table, families, FINAL),
        "settings.svg": groups.draw_sweeps(table, families, settings),
    }
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_groups: {len(figures)} figures in {folder}", flush=True)


if __name__ == "__main__":
    run_stage(main)
