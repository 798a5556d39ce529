"""Render report.html: one page with all results, in one file that needs no network."""

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

from fashion.results.choice import best_by_validation
from fashion.results.metrics import describe_temperatures, is_scaled
from fashion.results.palette import assign_colours
from fashion.results.report import charts
from fashion.results.report.costs import Cost
from fashion.results.report.pipeline import lay_out

FOLDER = Path(__file__).parent
VEGA_SNIPPET = "window.vegaEmbed = vegaEmbed;"  # what the bundle of Vega exposes to page.js
MAX_PICKED = 4  # systems whose learning curves are shown when the page opens


@dataclass(frozen=True)
class Results:
    """The content of the page. All of it is from files in git: the page can be rendered without data and models.

    final: name of the final model. families: by system.
    table: metrics/variants.json. scores: metrics/final.json.
    seeds: metrics/seeds.json, with the systems that were trained with several seeds.
    curves: rows of plots/learning_curves.csv.
    costs: cost of training, by system; systems may be missing. stage_costs: by stage of dvc.yaml.
    data: plots/data/counts.json, with the notes on the data. audit: plots/audit/summary.json.
    answers: plots/final/answers.json. sheet: bytes of plots/final/answers.png.
    figures: bytes of PNG and SVG files of the data, by their description.
    maps, embedding_figures: by the features of pretrained networks: SVG, and bytes of PNG files by their description.
    stages: of dvc.yaml. settings: of params.yaml.
    """

    final: str
    classes: list[str]
    families: Mapping[str, str]
    table: Mapping[str, Mapping[str, Any]]
    seeds: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, Any]
    curves: Sequence[Mapping[str, str]]
    costs: Mapping[str, Cost]
    stage_costs: Mapping[str, Cost]
    data: Mapping[str, Any]
    answers: Mapping[str, Any]
    sheet: bytes
    figures: Mapping[str, bytes]
    audit: Mapping[str, Any]
    audit_figures: Mapping[str, bytes]
    maps: Mapping[str, str]
    embedding_figures: Mapping[str, bytes]
    stages: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]


def render(results: Results) -> str:
    """Render the page.

    Names of classes and systems are user input: all text is escaped, and scripts get JSON without `<`.
    """
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "percent": percent,
        "number": "{:,}".format,
        "duration": duration,
        "megabytes": megabytes,
        "chance": p_value,
        "yaml": to_yaml,
        "temperatures": describe_temperatures,
    }
    colours = assign_colours(results.families.values())
    others = [name for name in results.table if name != results.final]
    best = best_by_validation(results.table, others, results.settings["train"].get("choose_by", "accuracy"))
    largest_share = results.scores["largest_class_share"]
    data = {
        "charts": chart_specs(results, colours, best),
        "cells": results.answers["cells"],
        "files": results.answers["files"],
        "columns": results.answers["columns"],
    }
    content = {
        "results": results,
        "row": results.table[results.final],
        "best": best,
        "published": [name for name, row in results.table.items() if row["reported"] is not None],
        "scaled": is_scaled(results.scores["calibration"]["temperatures"]),
        "marked": [name for name, row in results.table.items() if row["test_accuracy"] <= largest_share],
        "colours": colours,
        "never_right": [
            name for name, row in results.scores["per_class"].items() if row["support"] and not row["recall"]
        ],
        "matrix": confusion_rows(results),
        "graph": lay_out(results.stages, results.settings, len(results.table) - 1),
        "picked": initially_picked(results, best),
        "audit_pictures": {text: data_uri(figure) for text, figure in results.audit_figures.items()},
        "maps": {name: Markup(svg) for name, svg in results.maps.items()},  # our own, with escaped names
        "embedding_pictures": {text: data_uri(figure) for text, figure in results.embedding_figures.items()},
        "pictures": {description: data_uri(figure) for description, figure in results.figures.items()},
        "environments": sorted({tuple(row["environment"].items()) for row in results.table.values()}),
        "total_seconds": sum(results.costs[name].seconds for name in results.table if name in results.costs),
        "measured": any(cost.cpu is not None for cost in results.costs.values()),
        "sheet": data_uri(results.sheet),
        "data": Markup(script_json(data)),
        "css": Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        "js": Markup((FOLDER / "page.js").read_text(encoding="utf-8")),
        "vega": Markup(vl_convert.javascript_bundle(snippet=VEGA_SNIPPET)),
    }
    return environment.get_template("page.html").render(content)


def script_json(value: Any) -> str:
    """Format a value as JSON for a <script> element; escape `<`, which could end the element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def to_yaml(value: Any) -> str:
    """Format settings as YAML."""
    text = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None  # short lists and mappings on one line
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


def p_value(test: Mapping[str, Any] | None) -> str:
    """Format the p-value of a significance test; empty if there is no test."""
    if test is None:
        return ""
    return "< 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}"


def data_uri(image: bytes) -> str:
    """Encode a PNG or SVG file as a data URI."""
    subtype = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{subtype};base64,{base64.b64encode(image).decode('ascii')}"


def confusion_rows(results: Results) -> list[dict[str, Any]]:
    """List the rows of the confusion matrix: the actual class, and number and share of images by predicted class."""
    answers = results.answers
    return [
        {
            "actual": actual,
            "cells": [
                {"predicted": predicted, "images": images, "share": images / max(support, 1)}
                for predicted, images in zip(answers["classes"], row, strict=True)
            ],
        }
        for actual, row, support in zip(answers["classes"], answers["counts"], answers["support"], strict=True)
    ]


def initially_picked(results: Results, best: str) -> list[str]:
    """Choose the systems whose learning curves are shown when the page opens.

    They are the final model, the best other system, and the baselines of both.
    """
    names = [results.final, best, results.table[best]["baseline"], results.table[results.final]["baseline"]]
    return list(dict.fromkeys(name for name in names if name))[:MAX_PICKED]


def chart_specs(results: Results, colours: Mapping[str, str], best: str) -> dict[str, Any]:
    """Make the specifications of all charts, by name: `curves` is drawn in the element `chart-curves` of page.html.

    best: the best system apart from the final model.
    """
    parts = {"train": "training", "val": "validation"}
    curves = [
        {
            "variant": row["variant"],
            "phase": row["phase"],
            "epoch": int(row["epoch"]),
            "part": name,
            "what": metric,
            "value": round(float(row[f"{part}_{metric}"]), 5),
        }
        for row in results.curves
        for part, name in parts.items()
        for metric in ("loss", "accuracy")
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
    names = {"before": "as the network gives them", "after": "at the temperature"}
    calibration = results.scores["calibration"]
    if not is_scaled(calibration["temperatures"]):
        del names["after"]  # the same
    bins = [{"when": name, **row} for when, name in names.items() for row in calibration[when]["bins"]]
    corrupted = [
        {"image": f"{row['change']} {row['amount']}".strip(), "change": row["change"], "accuracy": row["accuracy"]}
        for row in results.scores["robustness"]
    ]
    specs = {
        "curves": charts.learning_curves(curves, initially_picked(results, best)),
        "parameters": charts.accuracy_against(systems, "parameters", "parameters", colours),
        "calibration": charts.calibration(bins),
        "robustness": charts.robustness(corrupted),
    }
    if results.seeds:
        runs = [
            {"system": name, "family": results.families[name], "seed": seed, "test": scores["test_accuracy"]}
            for name, row in results.seeds.items()
            for seed, scores in row["runs"].items()
        ]
        specs["seeds"] = charts.seeds(runs, colours)
    if results.costs:
        specs["minutes"] = charts.accuracy_against(systems, "minutes", "minutes of training", colours)
    return specs
