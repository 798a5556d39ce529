"""report.html: one page that tells the whole story, in one file that needs no network."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from fashion.results.look import colours_of
from fashion.results.report import charts
from fashion.results.report.costs import Cost
from fashion.results.report.pipeline import lay_out

FOLDER = Path(__file__).parent
BUNDLE = "window.vegaEmbed = vegaEmbed;"  # what the page needs of Vega
PICKED = 4  # systems whose curves are shown at first


@dataclass(frozen=True)
class Results:
    """What the page is made of: files that are in git, so that it can be made again without data and models.

    table, scores: metrics/variants.json and metrics/final.json. spread: metrics/seeds.json, systems that were trained
    with several seeds. curves: the rows of plots/learning_curves.csv. costs: what training each system took; any may
    be missing. stage_costs: what each stage of dvc.yaml took. data: plots/data/counts.json. answers, sheet:
    plots/final/answers.json and the PNG beside it. pictures: of the data, by their description. stages: of dvc.yaml.
    settings: of params.yaml.
    """

    final: str
    classes: list[str]
    families: Mapping[str, str]
    table: Mapping[str, Mapping[str, Any]]
    spread: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, Any]
    curves: Sequence[Mapping[str, str]]
    costs: Mapping[str, Cost]
    stage_costs: Mapping[str, Cost]
    data: Mapping[str, Any]
    answers: Mapping[str, Any]
    sheet: bytes
    pictures: Mapping[str, bytes]
    stages: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]


def render(results: Results) -> str:
    """Write the page. Names are data: all text is escaped, and what scripts read is JSON without `<`."""
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "percent": percent,
        "number": "{:,}".format,
        "duration": duration,
        "megabytes": megabytes,
        "chance": chance,
        "yaml": as_yaml,
    }
    colours = colours_of(results.families.values())
    others = [name for name in results.table if name != results.final]
    best = max(others, key=lambda name: results.table[name]["val_accuracy"])
    data = {
        "charts": specs(results, colours, best),
        "cells": results.answers["cells"],
        "columns": results.answers["columns"],
    }
    content = {
        "results": results,
        "row": results.table[results.final],
        "best": best,
        "colours": colours,
        "matrix": matrix(results),
        "graph": lay_out(results.stages, results.settings, len(results.table) - 1),
        "picked": first_picked(results, best),
        "pictures": {about: data_uri(picture) for about, picture in results.pictures.items()},
        "environments": sorted({tuple(row["environment"].items()) for row in results.table.values()}),
        "total_seconds": sum(results.costs[name].seconds for name in results.table if name in results.costs),
        "measured": any(cost.cpu is not None for cost in results.costs.values()),
        "sheet": data_uri(results.sheet),
        "data": Markup(script_json(data)),
        "css": Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        "js": Markup((FOLDER / "page.js").read_text(encoding="utf-8")),
        "vega": Markup(vl_convert.javascript_bundle(snippet=BUNDLE)),
    }
    return environment.get_template("page.html").render(content)


def script_json(value: Any) -> str:
    """Write JSON that can stand in a <script>: nothing in it opens or ends a tag."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def as_yaml(value: Any) -> str:
    """Write settings as YAML."""
    text = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None  # small lists and mappings on a line
    yaml.width = 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(value, text)
    return text.getvalue()


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def megabytes(memory: int | None) -> str:
    return "" if memory is None else f"{memory / 1e6:,.0f}"


def chance(test: Mapping[str, Any] | None) -> str:
    """Give the p-value of a comparison; nothing where there is none."""
    if test is None:
        return ""
    return "< 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}"


def data_uri(picture: bytes) -> str:
    """Put a PNG or SVG into an address."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def matrix(results: Results) -> list[dict[str, Any]]:
    """Give the rows of the confusion matrix: the actual class and, for each predicted one, images and their share."""
    answers = results.answers
    return [
        {
            "actual": actual,
            "cells": [
                {"guess": guess, "images": images, "share": images / max(support, 1)}
                for guess, images in zip(answers["classes"], row, strict=True)
            ],
        }
        for actual, row, support in zip(answers["classes"], answers["counts"], answers["support"], strict=True)
    ]


def first_picked(results: Results, best: str) -> list[str]:
    """Choose the systems whose curves are shown at first: the final, the best other, its and the final's baselines."""
    names = [results.final, best, results.table[best]["baseline"], results.table[results.final]["baseline"]]
    return list(dict.fromkeys(name for name in names if name))[:PICKED]


def specs(results: Results, colours: Mapping[str, str], best: str) -> dict[str, Any]:
    """Give the specification of each chart, by the id of its place in the page."""
    parts = {"train": "training", "val": "validation"}
    curves = [
        {
            "variant": row["variant"],
            "phase": row["phase"],
            "epoch": int(row["epoch"]),
            "part": name,
            "what": what,
            "value": round(float(row[f"{part}_{what}"]), 5),
        }
        for row in results.curves
        for part, name in parts.items()
        for what in ("loss", "accuracy")
    ]
    systems = [
        {
            "system": name,
            "family": results.families[name],
            "parameters": row["parameters"],
            "minutes": round(results.costs[name].seconds / 60, 2) if name in results.costs else None,
            "test": row["test_accuracy"],
            "low": row["test_interval"][0],
            "high": row["test_interval"][1],
            "best": name in (results.final, best),
        }
        for name, row in results.table.items()
    ]
    whens = {"before": "as the network gives them", "after": "at the temperature"}
    bins = [{"when": name, **row} for when, name in whens.items() for row in results.answers["reliability"][when]]
    changed = [
        {"image": f"{row['change']} {row['amount']}".strip(), "change": row["change"], "accuracy": row["accuracy"]}
        for row in results.scores["robustness"]
    ]
    drawn = {
        "curves": charts.learning_curves(curves, first_picked(results, best)),
        "parameters": charts.accuracy_against(systems, "parameters", "parameters", colours),
        "calibration": charts.calibration(bins),
        "robustness": charts.robustness(changed),
    }
    if results.spread:
        runs = [
            {"system": name, "family": results.families[name], "seed": seed, "test": scores["test_accuracy"]}
            for name, row in results.spread.items()
            for seed, scores in row["runs"].items()
        ]
        drawn["seeds"] = charts.seeds(runs, colours)
    if results.costs:
        drawn["minutes"] = charts.accuracy_against(systems, "minutes", "minutes of training", colours)
    return drawn
