"""Validate the results in git: fresh locks, well-formed files that agree, pages whose tables say the same.

With --write, bring what the pages say of them up to date instead of complaining.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from agreement import disagreements, read_table
from pages import ROOT, pages, read_json

from abreast.check.freshness import check as check_locks
from abreast.errors import AbreastError
from fashion.params import Params, check
from fashion.results.comparison import names_to_plot
from fashion.results.report.page import render
from fashion.settings.parsing import load_yaml

sys.path.insert(0, str(ROOT / "stages"))

import paths
import seeds
from report import read_results

COLUMNS = {
    "plots/learning_curves.csv": [
        *("variant", "phase", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"),
    ],
    "plots/confusion.csv": ["actual", "predicted"],
    "plots/roc.csv": ["class", "fpr", "tpr"],
    "data/predicted/results.csv": ["ID", "label"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables of the pages")
    arguments = parser.parse_args()
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    if arguments.write:
        for path, text in pages().items():
            path.write_text(text, encoding="utf-8")
        return
    faults = all_faults(params)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        sys.exit(2)
    print(f"validated: dvc.lock is fresh, and the results of {len(params.variants) + 1} systems are there")


def all_faults(params: Params) -> list[str]:
    """Look at figures once the files are well-formed, and at pages, which follow from them, once there is no fault."""
    results = [*bad_tables(params), *bad_metrics(params), *bad_seeds(params)] or bad_figures(params)
    return [*stale_stages(ROOT), *results] or bad_pages()


def stale_stages(root: Path) -> list[str]:
    """Ask which stages are not as their locks say; no data are needed to tell."""
    try:
        found = check_locks([], root)
    except AbreastError as error:
        return [f"dvc.lock: {error}"]
    if found.fresh:
        return []
    by_hand = f"; force what DVC does not see: `dvc repro --force --single-item {' '.join(found.unseen)}`"
    remedy = "run `make repro`, or `make relock` after a refactoring, and commit what it writes"
    return [*found.lines(), f"dvc.lock: not fresh; {remedy}{by_hand if found.unseen else ''}"]


def bad_seeds(params: Params) -> list[str]:
    """Check that trainings with other seeds are of the systems that are there, and that the report knows the same."""
    listed = load_yaml(ROOT / paths.AGAIN)
    counts = seeds.counts_of(listed)
    if listed != seeds.list_of(params, counts):
        return [f"{paths.AGAIN}: not of the systems in params.yaml; run `make seeds`"]
    spread = read_json(str(paths.SPREAD))
    if counts and spread != read_json(str(paths.SEEDS / "seeds.json")):
        return [f"{paths.SPREAD}: not the copy of {paths.SEEDS}/seeds.json that `make seeds` makes"]
    if {name: len(row.get("runs", [])) for name, row in spread.items()} != counts:
        return [f"{paths.SPREAD}: not the trainings that {paths.AGAIN} lists; run `make seeds`"]
    return []


def bad_tables(params: Params) -> list[str]:
    """Check the columns of the tables, and that they speak of the systems and classes of params.yaml."""
    faults = []
    tables = {}
    for name, columns in COLUMNS.items():
        try:
            tables[name] = read_table(ROOT / name)
        except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            faults.append(f"{name}: {error}")
            continue
        if name.endswith("results.csv") and params.classes is None:  # the data name them, so numbers alone say little
            columns = [*columns, "class"]
        if list(tables[name].columns) != columns:
            faults.append(f"{name}: columns {list(tables[name].columns)}, expected {columns}")
        elif tables[name].empty or (tables[name] == "").any(axis=None):
            faults.append(f"{name}: empty, or with empty cells")
    if faults:
        return faults
    per_class = read_json("metrics/final.json").get("per_class", {})
    known = {
        ("plots/learning_curves.csv", "variant"): {*params.variants, "final"},
        ("plots/confusion.csv", "actual"): {
            *names_to_plot([name for name, row in per_class.items() if row["support"]])
        },
        ("plots/roc.csv", "class"): {
            *names_to_plot([name for name, row in per_class.items() if row["roc_auc"] is not None])
        },
    }
    for (name, column), expected in known.items():
        if set(tables[name][column]) != expected:
            faults.append(f"{name}: {column} is not each of {', '.join(sorted(expected))}")
    if not set(tables["data/predicted/results.csv"]["label"]) <= set(map(str, range(len(per_class)))):
        faults.append("data/predicted/results.csv: a label is not the number of a class")
    return faults


def bad_figures(params: Params) -> list[str]:
    """Check that each file of results says what the others say, and the report what all of them do."""
    try:
        faults = list(disagreements(params, ROOT))
        return [f"{fault}; run `make repro`" for fault in faults] or bad_report(params)
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        return [f"metrics, plots: not as stages write them ({type(error).__name__}: {error}); run `make repro`"]


def bad_report(params: Params) -> list[str]:
    """Make the report anew: it takes files in git alone, and DVC lets no stage depend on dvc.yaml, which it shows."""
    page = (ROOT / "report.html").read_text(encoding="utf-8") if (ROOT / "report.html").exists() else ""
    if page == render(read_results(params, ROOT)):
        return []
    return ["report.html: does not show the results in git; run `dvc repro --force --single-item report`"]


def bad_metrics(params: Params) -> list[str]:
    """Check that each system has its figures and each class of the final model its own."""
    faults = []
    variants, final = read_json("metrics/variants.json"), read_json("metrics/final.json")
    if set(variants) != {*params.variants, "final"}:
        faults.append("metrics/variants.json: not the systems of params.yaml")
    for name, row in variants.items():
        for key, kind in {"parameters": int, "epochs": int, "val_accuracy": float, "test_accuracy": float}.items():
            if not isinstance(row.get(key), kind) or (kind is float and not 0 <= row[key] <= 1):
                faults.append(f"metrics/variants.json: {name}.{key} is {row.get(key)!r}")
    wanted = ("test_accuracy", "macro_f1", "roc_auc")
    faults += [
        f"metrics/final.json: {key} is {final.get(key)!r}" for key in wanted if type(final.get(key)) is not float
    ]
    if not final.get("per_class") or (params.classes and list(final["per_class"]) != params.classes):
        faults.append("metrics/final.json: per_class does not name each class")
    return faults


def bad_pages() -> list[str]:
    """Check that the pages say, between their marks, what follows from the files that they speak of."""
    return [
        f"{path.relative_to(ROOT)}: it does not say what its sources do; run `python .ci/validate.py --write`"
        for path, text in pages().items()
        if path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    main()
