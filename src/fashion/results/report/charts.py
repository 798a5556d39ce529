"""Specifications of the report's charts, in Vega-Lite; page.js sets their colours, for light and dark pages."""

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # identifies the language; nothing is downloaded
LEGEND_BELOW = {"orient": "bottom", "columns": 4, "labelLimit": 260}
Rows = Sequence[Mapping[str, Any]]


def chart(rows: Rows, **spec: Any) -> dict[str, Any]:
    """Make the specification of a chart of `rows`."""
    return {"$schema": SCHEMA, "width": "container", "autosize": {"type": "fit-x", "contains": "padding"},
            "data": {"values": list(rows)}, **spec}  # fmt: skip


def quantitative(field: str, title: str, **options: Any) -> dict[str, Any]:
    """Make the encoding of a numeric field."""
    return {"field": field, "type": "quantitative", "title": title, **options}


def family_colour(colours: Mapping[str, str]) -> dict[str, Any]:
    """Make the encoding that gives each family its colour."""
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {"field": "family", "type": "nominal", "scale": scale, "legend": LEGEND_BELOW}


def learning_curves(rows: Rows, picked: Sequence[str]) -> dict[str, Any]:
    """Draw loss or accuracy by epoch, for some of the systems.

    page.js sets two parameters of the chart: `picked`, the systems, and `what`, `loss` or `accuracy`.
    """
    tooltip = [
        {"field": "variant", "title": "system"},
        {"field": "part"},
        {"field": "phase"},
        {"field": "epoch"},
        {"field": "value", "format": ".4f"},
    ]
    return chart(
        rows,
        height=340,
        params=[{"name": "picked", "value": list(picked)}, {"name": "what", "value": "accuracy"}],
        transform=[{"filter": "indexof(picked, datum.variant) >= 0 && datum.what == what"}],
        mark={"type": "line", "point": {"size": 20}, "tooltip": True, "strokeWidth": 1.5},
        encoding={
            "x": quantitative("epoch", "epoch", axis={"tickMinStep": 1, "format": "d"}),
            "y": quantitative("value", "", scale={"zero": False}),
            "color": {"field": "variant", "type": "nominal", "title": None, "sort": None, "legend": LEGEND_BELOW},
            "strokeDash": {
                "field": "part",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": ["validation", "training"], "range": [[1, 0], [3, 3]]},
            },
            "tooltip": tooltip,
        },
    )


def accuracy_against(rows: Rows, field: str, title: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """Draw each system's test accuracy with its confidence interval against a cost: parameters or minutes."""
    tooltip = [
        {"field": "system"},
        {"field": "family"},
        {"field": field, "title": title, "format": ",.4~r"},
        {"field": "test", "title": "test accuracy", "format": ".4f"},
    ]
    x = quantitative(
        field, f"{title} (logarithmic)", scale={"type": "log"}, axis={"format": "~s" if field == "parameters" else "~g"}
    )
    return chart(
        [row for row in rows if row.get(field)],
        height=340,
        encoding={"x": x, "color": family_colour(colours), "tooltip": tooltip},
        layer=[
            {
                "mark": {"type": "rule"},
                "encoding": {"y": quantitative("low", "test accuracy", scale={"zero": False}), "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"y": quantitative("test", "test accuracy", scale={"zero": False}, axis={"format": ".0%"})},
            },
            {
                "transform": [{"filter": "datum.best"}],
                "mark": {"type": "text", "align": "right", "dx": -7, "dy": -7},
                "encoding": {"y": quantitative("test", "test accuracy"), "text": {"field": "system"}},
            },
        ],
    )


def seeds(rows: Rows, colours: Mapping[str, str]) -> dict[str, Any]:
    """Draw the test accuracy of each run of each system, and the mean over its runs; best system first."""
    best_first = {"field": "test", "op": "mean", "order": "descending"}
    y = {"field": "system", "type": "nominal", "sort": best_first, "title": None, "axis": {"labelLimit": 200}}
    x = quantitative("test", "test accuracy", scale={"zero": False}, axis={"format": ".0%"})
    tooltip = [{"field": "system"}, {"field": "seed"}, {"field": "test", "title": "test accuracy", "format": ".4f"}]
    return chart(
        rows,
        height=20 * len({row["system"] for row in rows}),
        encoding={"y": y, "color": family_colour(colours)},
        layer=[
            {"mark": {"type": "point", "size": 30}, "encoding": {"x": x, "tooltip": tooltip}},
            {"mark": {"type": "tick", "thickness": 2}, "encoding": {"x": {**x, "aggregate": "mean"}}},
        ],
    )


def calibration(rows: Rows) -> dict[str, Any]:
    """Draw accuracy against confidence, before and after temperature scaling."""
    return chart(
        rows,
        height=300,
        layer=[
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 3], "color": "#888", "strokeWidth": 1},
                "encoding": {"x": quantitative("x", "confidence"), "y": quantitative("y", "accuracy on test images")},
            },
            {
                "mark": {"type": "line", "point": {"size": 40}, "tooltip": True},
                "encoding": {
                    "x": quantitative("confidence", "confidence", axis={"format": ".0%"}),
                    "y": quantitative("accuracy", "accuracy on test images", axis={"format": ".0%"}),
                    "color": {"field": "when", "title": None, "sort": None, "legend": LEGEND_BELOW},
                    "tooltip": [
                        {"field": "when", "title": "probabilities"},
                        {"field": "confidence", "format": ".1%"},
                        {"field": "accuracy", "format": ".1%"},
                        {"field": "images", "format": ","},
                    ],
                },
            },
        ],
    )


def robustness(rows: Rows) -> dict[str, Any]:
    """Draw the accuracy on corrupted images as bars."""
    return chart(
        rows,
        height=20 * len(rows),
        mark={"type": "bar", "tooltip": True},
        encoding={
            "y": {"field": "image", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 200}},
            "x": quantitative("accuracy", "accuracy on test images", axis={"format": ".0%"}, scale={"domain": [0, 1]}),
            "color": {"field": "change", "type": "nominal", "sort": None, "legend": None},
            "tooltip": [{"field": "image"}, {"field": "accuracy", "format": ".4f"}],
        },
    )
