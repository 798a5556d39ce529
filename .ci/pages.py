"""The tables of README.md and docs/model_card.md, as they follow from metrics/."""

import json
import sys
from pathlib import Path
from typing import Any

from fashion.files import with_section

ROOT = Path(__file__).parents[1]
ALIGNED_RIGHT = "---:"
BAR = "\\|"  # in a cell


def pages() -> dict[Path, str]:
    """Give each page as it should be: its text, with the tables between its marks made anew."""
    final = read_json("metrics/final.json")
    tables = {
        "README.md": {"results": results(read_json("metrics/variants.json"))},
        "docs/model_card.md": {
            "accuracy": accuracy(final),
            "classes": classes(final["per_class"]),
            "confusions": confusions(final["confusions"]),
            "calibration": calibration(final["calibration"]),
            "robustness": robustness(final["robustness"]),
        },
    }
    return {ROOT / name: with_tables(ROOT / name, texts) for name, texts in tables.items()}


def read_json(name: str) -> dict[str, Any]:
    try:
        return json.loads((ROOT / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {name}: {error}")


def with_tables(path: Path, tables: dict[str, str]) -> str:
    """Give a page's text with these tables between the marks of their names."""
    text = path.read_text(encoding="utf-8")
    for name, content in tables.items():
        text = with_section(text, name, content)
    return text


def table(head: list[str], rows: list[list[str]], align: list[str]) -> str:
    lines = [head, align, *rows]
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in lines)


def figure(value: float | None, digits: int) -> str:
    """Write a figure; one that is not defined, as those of a class without test images, is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def results(variants: dict[str, Any]) -> str:
    """Put all systems side by side."""
    rows = []
    for name, row in variants.items():
        reported = f"{row['reported']:.4f}".rstrip("0") if row["reported"] else ""
        interval = " to ".join(f"{bound:.3f}" for bound in row["test_interval"])
        test = row["against_baseline"]
        chance = "" if test is None else "< 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}"
        accuracies = [f"{row['val_accuracy']:.4f}", f"{row['test_accuracy']:.4f}"]
        rows.append([name, f"{row['parameters']:,}", reported, *accuracies, interval, chance, str(row["epochs"])])
    head = ["system", "parameters", "reported", "validation", "test", "95% interval", "p against baseline", "epochs"]
    return table(head, rows, ["---", *[ALIGNED_RIGHT] * 4, ":---:", *[ALIGNED_RIGHT] * 2])


def accuracy(final: dict[str, Any]) -> str:
    rows = [
        ["parameters", f"{final['parameters']:,}"],
        ["validation accuracy", f"{final['val_accuracy']:.4f}"],
        ["test accuracy", f"{final['test_accuracy']:.4f}"],
        ["macro F1, test", f"{final['macro_f1']:.4f}"],
        ["area under ROC, mean over the classes, test", figure(final["roc_auc"], 4)],
        ["trained on", ", ".join(f"{key} {value}" for key, value in final["environment"].items())],
    ]
    return table(["figure", "value"], rows, ["---", "---"])


def classes(per_class: dict[str, dict[str, float]]) -> str:
    keys = ["precision", "recall", "f1", "roc_auc"]
    rows = [
        [name, *(figure(row[key], 3) for key in keys), str(row["support"])]
        for name, row in sorted(per_class.items(), key=lambda item: item[1]["f1"])
    ]
    head = ["class", "precision", "recall", "F1", "area under ROC", "test images"]
    return table(head, rows, ["---", *[ALIGNED_RIGHT] * 5])


def confusions(pairs: list[dict[str, Any]]) -> str:
    rows = [[pair["actual"], pair["predicted"], str(pair["images"])] for pair in pairs]
    return table(["actual", "taken for", "test images"], rows, ["---", "---", ALIGNED_RIGHT])


def calibration(figures: dict[str, Any]) -> str:
    rows = []
    for when, temperature in (("before", 1.0), ("after", figures["temperature"])):
        values = [figures[when][key] for key in ("expected_calibration_error", "negative_log_likelihood")]
        rows.append([when, f"{temperature:.3f}", *(f"{value:.4f}" for value in values)])
    head = ["scaling", "temperature", "expected calibration error", "negative log-likelihood"]
    return table(head, rows, ["---", *[ALIGNED_RIGHT] * 3])


def robustness(rows: list[dict[str, Any]]) -> str:
    cells = [[row["change"], row["amount"], f"{row['accuracy']:.3f}"] for row in rows]
    return table(["change", "amount", "accuracy"], cells, ["---", "---", ALIGNED_RIGHT])
