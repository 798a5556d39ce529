"""Render report.html: one page with all results, in one file that needs no network."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fashion.results.metrics import describe_temperatures, is_scaled
from fashion.results.report import confusion, curves, rows, scatter
from fashion.results.report.changed import changed_images
from fashion.results.report.contents import Results, by_test, groups_of
from fashion.results.report.findings import findings, lead_test
from fashion.results.report.formats import (
    data_uri,
    duration,
    megabytes,
    p_value,
    percent,
    plural,
    points,
    script_json,
    to_yaml,
)
from fashion.results.report.pipeline import lay_out

FOLDER = Path(__file__).parent
FILTERS = {
    "percent": percent,
    "points": points,
    "plural": plural,
    "number": "{:,}".format,
    "duration": duration,
    "megabytes": megabytes,
    "p_value": p_value,
    "yaml": to_yaml,
    "temperatures": describe_temperatures,
}


def render(results: Results) -> str:
    """Render the page.

    Names of classes and systems are user input: all text is escaped, and scripts get JSON without `<`.
    """
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= FILTERS
    answers, scores = results.answers, results.scores
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    matrix = confusion.matrix(results)
    strip = confusion.class_strip(results)
    content = {
        "results": results,
        "row": results.table[results.final],
        "best": results.best,
        "lead_test": lead_test(results),
        "findings": findings(results),
        "published": [name for name, row in results.table.items() if row["reported"] is not None],
        "scaled": is_scaled(scores["calibration"]["temperatures"]),
        "marked": [
            name for name, row in results.table.items() if row["test_accuracy"] <= scores["largest_class_share"]
        ],
        "never_right": [name for name, row in scores["per_class"].items() if row["support"] and not row["recall"]],
        "ranking": by_test(results),
        "groups": groups_of(results),
        "strip": strip,
        "sprites": [confusion.sprite_position(answers, place) for place in range(len(answers["files"]))],
        "matrix": matrix,
        "first_cell": confusion.first_cell(matrix),
        "charts": draw_charts(results, strip),
        "graph": lay_out(results.stages, results.settings),
        "picked": curves.initially_picked(results),
        "audit_pictures": {text: data_uri(figure) for text, figure in results.audit_figures.items()},
        "maps": {name: Markup(svg) for name, svg in results.maps.items()},  # our own, with escaped names
        "embedding_pictures": {text: data_uri(figure) for text, figure in results.embedding_figures.items()},
        "pictures": {description: data_uri(figure) for description, figure in results.figures.items()},
        "environments": sorted({tuple(row["environment"].items()) for row in results.table.values()}),
        "total_seconds": sum(results.costs[name].seconds for name in results.table if name in results.costs),
        "measured": any(cost.cpu is not None for cost in results.costs.values()),
        "sheet": data_uri(results.sheet),
        "data": Markup(script_json({key: answers[key] for key in ("cells", "files", "columns", "rows")})),
        "css": Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        "js": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    }
    return environment.get_template("page.html").render(content)


def draw_charts(results: Results, strip: list[dict[str, Any]]) -> dict[str, Any]:
    """Draw all charts, by the name of their place; those in the rows of tables by system.

    strip: images of the classes, of which the first stands for all beside the bars of robustness.
    """
    any_published = any(row["reported"] is not None for row in results.table.values())
    axis, wide_axis = (rows.systems_axis(results, published=published) for published in (False, any_published))
    parameters = {name: float(row["parameters"]) for name, row in results.table.items()}
    minutes = {name: round(cost.seconds / 60, 2) for name, cost in results.costs.items() if name in results.table}
    charts: dict[str, Any] = {
        "ranking_axis": rows.ticks(axis),
        "ranking": {name: rows.interval_row(axis, name, row) for name, row in results.table.items()},
        "systems_axis": rows.ticks(wide_axis),
        "systems": {
            name: rows.interval_row(wide_axis, name, row, published=True) for name, row in results.table.items()
        },
        "curves": {metric: curves.draw_curves(results, metric) for metric in ("accuracy", "loss")},
        "parameters": scatter.draw_costs(results, parameters, "parameters (logarithmic)", "parameters"),
        "minutes": scatter.draw_costs(results, minutes, "minutes of training (logarithmic)", "minutes"),
        "calibration": scatter.draw_calibration(
            results, scaled=is_scaled(results.scores["calibration"]["temperatures"])
        ),
        "robustness": rows.robustness_rows(results, changed_images(results, strip[0]["place"]) if strip else {}),
    }
    if results.seeds:
        seeds_axis = rows.seeds_axis(results)
        charts["seeds_axis"] = rows.ticks(seeds_axis)
        charts["seeds"] = {name: rows.seeds_row(seeds_axis, name, row) for name, row in results.seeds.items()}
    return charts
