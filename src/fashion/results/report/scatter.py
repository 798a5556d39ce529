"""Draw points: accuracy against a cost, and accuracy against confidence."""

import math
from collections.abc import Mapping
from itertools import accumulate

from markupsafe import Markup

from fashion.results.report.contents import Results, by_test
from fashion.results.report.curves import shorten
from fashion.results.report.formats import percent
from fashion.results.report.svg import (
    Axis,
    element,
    grid_and_labels,
    line,
    linear_axis,
    log_axis,
    percent_tick,
    picture,
    short_number,
)

HEIGHT = 300  # pixels
NARROW = 290  # pixels: the width for which labels are placed; on wider ones they have more room
PADDING = 14  # pixels to the right of the plot area, into which a label may reach
CORNERS = ((6, -9, "end"), (6, 18, "end"), (-6, -9, "start"), (-6, 18, "start"))
CHARACTER = 6.6  # pixels of a character, about
LARGEST_DOT, SMALLEST_DOT = 13, 2  # radius in pixels of the fullest bin and of an empty one


def draw_costs(results: Results, costs: Mapping[str, float], title: str, unit: str) -> Markup:
    """Draw the test accuracy of each system with its interval against a cost, and name as many as have room.

    costs: by system; those without one are left out.
    """
    names = [name for name in by_test(results) if costs.get(name)]
    if not names:
        return Markup("")
    x = log_axis(costs[name] for name in names)
    y = linear_axis(bound for name in names for bound in results.table[name]["test_interval"])
    places = {
        name: (NARROW * x.fraction(costs[name]), HEIGHT * (1 - y.fraction(results.table[name]["test_accuracy"])))
        for name in names
    }
    parts = []
    for name in reversed(names):
        row = results.table[name]
        low, high = row["test_interval"]
        at = x.x(costs[name])
        reached = f"{percent(row['test_accuracy'])} ({percent(low)} to {percent(high)})"
        about = f"{name}: {costs[name]:,.10g} {unit}, {reached}"
        interval = line(at, y.y(low), at, y.y(high), class_="interval")
        dot = element("circle", cx=at, cy=y.y(row["test_accuracy"]), r=5)
        class_ = "point final" if name == results.final else "point"
        parts += [element("g", element("title", about), interval, dot, class_=class_, data_system=name)]
    front = pareto_front(names, costs)
    for name, (dx, dy, anchor) in place_labels(places, [results.final, results.best, *front, *names]).items():
        at, height = x.x(costs[name]), y.y(results.table[name]["test_accuracy"])
        class_ = "label final" if name == results.final else "label"
        parts += [element("text", shorten(name), x=at, y=height, dx=dx, dy=dy, text_anchor=anchor, class_=class_)]
    axes = grid_and_labels(x, y, map(short_number, x.ticks), [percent_tick(t, y.step) for t in y.ticks], title)
    about = f"Test accuracy against {title}, {len(names)} systems; the figures are in the table of the systems"
    return picture(axes, *parts, about=about, height=HEIGHT, class_="costs")


def pareto_front(names: list[str], costs: Mapping[str, float]) -> list[str]:
    """Choose the systems that no cheaper one surpasses. names: by falling accuracy.

    >>> pareto_front(["a", "b", "c"], {"a": 3, "b": 5, "c": 1})
    ['a', 'c']
    """
    cheapest = list(accumulate((costs[name] for name in names), min))
    return [name for number, name in enumerate(names) if number == 0 or costs[name] < cheapest[number - 1]]


def place_labels(places: Mapping[str, tuple[float, float]], order: list[str]) -> dict[str, tuple[float, float, str]]:
    """Find a place for labels beside their points: right, left, above or below. Labels without room are left out.

    places: of the points, in pixels. order: of the systems; the first ones get the first places.
    Returns offsets in pixels from the point, and the anchor of the text.
    """
    taken = {name: (x - 5, y - 5, x + 5, y + 5) for name, (x, y) in places.items()}
    labels: dict[str, tuple[float, float, str]] = {}
    for name in dict.fromkeys(name for name in order if name in places):
        x, y = places[name]
        width = CHARACTER * len(shorten(name))
        for dx, dy, anchor in ((8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 18, "middle"), *CORNERS):
            left = x + dx - {"start": 0, "end": width, "middle": width / 2}[anchor]
            box = (left, y + dy - 10, left + width, y + dy + 3)
            inside = box[0] >= 0 and box[2] <= NARROW + PADDING and box[1] >= -12
            if inside and not any(overlap(box, other) for key, other in taken.items() if key != name):
                labels[name] = (dx, dy, anchor)
                taken[f"label {name}"] = box
                break
    return labels


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def draw_calibration(results: Results, *, scaled: bool) -> Markup:
    """Draw accuracy against confidence; the area of a dot is the number of images. scaled: also before scaling."""
    axis = Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    calibration = results.scores["calibration"]
    names = {"before": "before the temperature", "after": "at the temperature"} if scaled else {"before": ""}
    fullest = max((row["images"] for when in names for row in calibration[when]["bins"]), default=1)
    parts = [line("0%", "100%", "100%", "0%", class_="ideal")]
    for when, name in names.items():
        for row in sorted(calibration[when]["bins"], key=lambda row: -row["images"]):
            about = (
                f"{row['images']:,} images {name}: confidence {percent(row['confidence'])}, "
                f"accuracy {percent(row['accuracy'])}"
            )
            radius = SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * math.sqrt(row["images"] / fullest)
            dot = element("circle", element("title", about), cx=axis.x(row["confidence"]), cy=axis.y(row["accuracy"]),
                          r=f"{radius:.1f}", class_=when if scaled else "after")  # fmt: skip
            parts.append(dot)
    labels = [percent_tick(tick, 0.2) for tick in axis.ticks]
    about = "Accuracy against confidence; the area of a dot is the number of images"
    axes = grid_and_labels(axis, axis, labels, labels, "confidence")
    return picture(axes, *parts, about=about, height=HEIGHT, class_="calibration")
