"""Validate the results in git: a fresh lock, well-formed contract files, pages whose tables say the same.

With --write, bring what the pages say of them up to date instead of complaining.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from pages import ROOT, pages, read_json

from fashion.params import Params, check
from fashion.results.comparison import names_to_plot
from fashion.settings.parsing import load_yaml

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
    faults = [*stale_stages(ROOT), *bad_tables(params), *bad_metrics(params), *bad_report()] or bad_pages()
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        sys.exit(2)
    print(f"validated: dvc.lock is fresh, and the results of {len(params.variants) + 1} systems are there")


def stale_stages(root: Path) -> list[str]:
    """Ask DVC which stages would run; it exits with 0 when some would, and needs no data to tell."""
    command = [str(Path(sys.executable).with_name("dvc")), "repro", "--dry", "--allow-missing"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    faults = [f"dvc.lock: {line}" for line in lines if "Running stage" in line or line.startswith("ERROR")]
    if done.returncode != 0 and not faults:
        faults.append(f"dvc.lock: `dvc repro --dry` exits with {done.returncode}")
    return (
        [
            *faults,
            "dvc.lock: not fresh; run `make repro`, or `make relock` after a refactoring, and commit what it writes",
        ]
        if faults
        else []
    )


def bad_tables(params: Params) -> list[str]:
    """Check the columns of the tables, and that they speak of the systems and classes of params.yaml."""
    faults = []
    tables = {}
    for name, columns in COLUMNS.items():
        try:
            tables[name] = pd.read_csv(ROOT / name, dtype=str, keep_default_na=False)  # a class may be called NA, or 7
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


def bad_report() -> list[str]:
    """Check that the report shows the graph as it is: DVC lets no stage depend on dvc.yaml."""
    page = (ROOT / "report.html").read_text(encoding="utf-8") if (ROOT / "report.html").exists() else ""
    missing = [
        name for name in load_yaml(ROOT / "dvc.yaml")["stages"] if not re.search(rf">{re.escape(name)}( x |<)", page)
    ]
    remedy = "run `dvc repro --force --single-item report`"
    return [f"report.html: does not show {', '.join(missing)}; {remedy}"] if missing else []


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
    if not faults and final["test_accuracy"] != variants["final"]["test_accuracy"]:
        faults.append("metrics/final.json: its test accuracy is not that of metrics/variants.json")
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
