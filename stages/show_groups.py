"""Draw the systems side by side: plots/groups."""

import csv

import paths
from entry import run
from fashion.files import read_json
from fashion.params import Params
from fashion.results.figures import groups
from fashion.results.figures.style import save
from fashion.settings.fields import FINAL


def main(params: Params) -> None:
    folder = paths.PLOTS / "groups"
    table = read_json(paths.METRICS / "variants.json")
    families = {name: variant.family for name, variant in params.variants.items()} | {FINAL: params.model.family}
    histories = {}
    for name in table:
        with paths.history(name).open(encoding="utf-8") as file:
            histories[name] = list(csv.DictReader(file))
    settings = {name: variant.model_dump(exclude={"baseline", "reported"}) for name, variant in params.variants.items()}
    pictures = {
        "validation_losses.svg": groups.draw_losses(table, families, histories),
        "accuracies.svg": groups.draw_accuracies(table, families),
        "systems.svg": groups.draw_all(table, families, FINAL),
        "parameters.svg": groups.draw_costs(table, families, FINAL),
        "settings.svg": groups.draw_sweeps(table, families, settings),
    }
    for name, picture in pictures.items():
        save(picture, folder / name)
    print(f"show_groups: {len(pictures)} pictures in {folder}", flush=True)


if __name__ == "__main__":
    run(main)
