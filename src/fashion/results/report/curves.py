"""Draw learning curves: all systems faint, some of them in colour and with their names at the ends."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fashion.results.report.contents import Results
from fashion.results.report.svg import (
    Axis,
    element,
    grid_and_labels,
    linear_axis,
    percent_tick,
    picture,
    short_number,
)

HEIGHT = 300  # pixels
SIZE = 1000  # of the coordinates of lines, which are stretched to the plot area
LABEL_HEIGHT = 15  # pixels
NEAR = 30  # percent of the width: labels whose ends are nearer must not share a line
LABEL_LENGTH = 16  # characters
MAX_PICKED = 6  # systems in colour: as many as there are colours, so that none repeats
METRICS = {"accuracy": "accuracy", "loss": "loss"}
Rows = Sequence[Mapping[str, str]]


def initially_picked(results: Results) -> list[str]:
    """Choose the systems in colour: the final model, the best other one, and their baselines."""
    baselines = [results.baseline_of(name) for name in (results.best, results.final)]
    names = [results.final, results.best, *(name for name in baselines if name is not None)]
    return list(dict.fromkeys(names))[:MAX_PICKED]


def draw_curves(results: Results, metric: str) -> Markup:
    """Draw `loss` or `accuracy` by epoch: on validation images, and dotted on training images for those in colour.

    page.js may change which systems are in colour: each has its curves and its label, with the place of its end.
    """
    picked = initially_picked(results)
    by_system: dict[str, list[Mapping[str, str]]] = {}
    for row in results.curves:
        by_system.setdefault(row["variant"], []).append(row)
    values = [number(row, f"val_{metric}") for row in results.curves]
    values += [number(row, f"train_{metric}") for row in results.curves if row["variant"] in picked]
    y = linear_axis(values)
    longest = max((int(row["epoch"]) for row in results.curves), default=1)
    ticks = tuple(tick for tick in linear_axis([1, max(longest, 2)]).ticks if tick == int(tick) and 1 < tick <= longest)
    x = Axis(1, max(longest, 2), (1, *ticks))
    ends = {name: end_of(rows, metric, x, y) for name, rows in by_system.items()}
    heights = label_heights({name: ends[name] for name in picked if name in ends})
    lines, labels = [], []
    for name, rows in by_system.items():
        slot = f" picked c{picked.index(name) + 1}" if name in picked else ""
        title = element("title", f"{name}: {describe(rows, metric)}")
        paths = [curve(rows, f"{part}_{metric}", x, y, part) for part in ("train", "val")]
        lines += [element("g", title, *paths, class_=f"curve{slot}", data_system=name)]
        left, top = ends[name]
        labels += [
            element("text", shorten(name), x=f"{left:.2f}%", y=f"{heights.get(name, top):.1f}", dx=7, dy=4,
                    class_=f"label{slot}", data_system=name, data_left=f"{left:.2f}", data_top=f"{top:.1f}")
        ]  # fmt: skip
    y_labels = [percent_tick(tick, y.step) if metric == "accuracy" else short_number(tick) for tick in y.ticks]
    area = element(
        "svg", *sorted(lines, key=is_picked), viewBox=f"0 0 {SIZE} {SIZE}", preserveAspectRatio="none", width="100%",
        height="100%", class_="lines",
    )  # fmt: skip
    axes = grid_and_labels(x, y, [f"{tick:g}" for tick in x.ticks], y_labels, "epoch")
    about = f"{metric} by epoch of {len(by_system)} systems; named: {', '.join(picked)}"
    return picture(axes, area, *labels, about=about, height=HEIGHT, class_="curves")


def is_picked(curve: Markup) -> bool:
    return curve.startswith('<g class="curve picked')


def number(row: Mapping[str, str], key: str) -> float:
    return float(row[key] or "nan")


def curve(rows: Rows, key: str, x: Axis, y: Axis, class_: str) -> Markup:
    """Draw a line through the values; it begins again where epochs do, and ends in a dot."""
    path, last = "", math.inf
    for row in rows:
        epoch, value = int(row["epoch"]), number(row, key)
        if math.isfinite(value):
            path += f"{'L' if epoch > last else 'M'}{SIZE * x.fraction(epoch):.0f} {SIZE * (1 - y.fraction(value)):.0f}"
            last = epoch
    return element("path", d=path and path + "h0", fill="none", stroke="currentColor", class_=class_)


def end_of(rows: Rows, metric: str, x: Axis, y: Axis) -> tuple[float, float]:
    """Give the place of the last value: percent of the width from the left, and pixels from the top."""
    for row in reversed(rows):
        value = number(row, f"val_{metric}")
        if math.isfinite(value):
            return 100 * x.fraction(int(row["epoch"])), HEIGHT * (1 - y.fraction(value))
    return 0.0, 0.0


def label_heights(ends: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Move labels down until none covers another; page.js does the same."""
    placed: dict[str, tuple[float, float]] = {}
    for name, (left, top) in sorted(ends.items(), key=lambda item: item[1][1]):
        while any(abs(top - y) < LABEL_HEIGHT and abs(left - x) < NEAR for x, y in placed.values()):
            top += 1
        placed[name] = (left, top)
    return {name: top for name, (_, top) in placed.items()}


def describe(rows: Rows, metric: str) -> str:
    """Name the best value on validation images, and its epoch."""
    known: list[Any] = [row for row in rows if math.isfinite(number(row, f"val_{metric}"))]
    if not known:
        return "no values"
    choose = max if metric == "accuracy" else min
    best = choose(known, key=lambda row: number(row, f"val_{metric}"))
    value = number(best, f"val_{metric}")
    text = f"{value:.2%}" if metric == "accuracy" else f"{value:.4f}"
    return f"best {metric} on validation images {text}, at epoch {best['epoch']} of {rows[-1]['epoch']}"


def shorten(name: str) -> str:
    return name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"
