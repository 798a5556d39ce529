"""Draw rows of dots, intervals and bars, which stand in the rows of tables and lists."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from fashion.results.report.contents import Results
from fashion.results.report.formats import percent
from fashion.results.report.svg import Axis, element, line, linear_axis, percent_tick, picture

HEIGHT = 18  # pixels of a row
MIDDLE = "50%"  # print makes rows lower
TICKS = 4  # at most about so many: the rows are short


def systems_axis(results: Results, *, published: bool) -> Axis:
    """Make the axis of test accuracies: intervals of all systems, and what was published."""
    values = [bound for row in results.table.values() for bound in row["test_interval"]]
    if published:
        values += [row["reported"] for row in results.table.values() if row["reported"] is not None]
    return linear_axis(values, intervals=TICKS)


def ticks(axis: Axis) -> Markup:
    """Draw the labels of an axis that is shared by the rows below it."""
    labels = [
        element(
            "text",
            percent_tick(tick, axis.step),
            x=axis.x(tick),
            y=12,
            text_anchor="middle",
        )
        for tick in axis.ticks
    ]
    return element("svg", *labels, width="100%", height=16, class_="axis", aria_hidden="true", overflow="visible")


def grid(axis: Axis) -> list[Markup]:
    return [line(axis.x(tick), "0%", axis.x(tick), "100%", class_="grid") for tick in axis.ticks]


def interval_row(axis: Axis, name: str, row: Mapping[str, Any], *, published: bool = False) -> Markup:
    """Draw the test accuracy of a system as a dot on its interval, and the published accuracy as a stroke."""
    low, high = row["test_interval"]
    about = (
        f"{name}: {percent(row['test_accuracy'])} of the test images, 95% interval {percent(low)} to {percent(high)}"
    )
    parts = [*grid(axis), line(axis.x(low), MIDDLE, axis.x(high), MIDDLE, class_="interval")]
    if published and row["reported"] is not None:
        about += f"; published {percent(row['reported'])}"
        parts += [line(axis.x(row["reported"]), "15%", axis.x(row["reported"]), "85%", class_="published")]
    parts += [element("circle", cx=axis.x(row["test_accuracy"]), cy=MIDDLE, r=4.5)]
    return picture(element("title", about), *parts, about=about, height=HEIGHT, class_="row")


def seeds_axis(results: Results) -> Axis:
    runs = [scores["test_accuracy"] for row in results.seeds.values() for scores in row["runs"].values()]
    return linear_axis(runs, intervals=TICKS)


def seeds_row(axis: Axis, name: str, row: Mapping[str, Any]) -> Markup:
    """Draw each run of a system as a ring, and their mean as a stroke."""
    runs = {seed: scores["test_accuracy"] for seed, scores in row["runs"].items()}
    mean = row["test_accuracy"]["mean"]
    about = f"{name}: mean {percent(mean)}; " + ", ".join(f"seed {seed} {percent(run)}" for seed, run in runs.items())
    rings = [element("circle", cx=axis.x(run), cy=MIDDLE, r=4, class_="ring") for run in runs.values()]
    stroke = line(axis.x(mean), "5%", axis.x(mean), "95%", class_="mean")
    return picture(element("title", about), *grid(axis), *rings, stroke, about=about, height=HEIGHT, class_="row")


def robustness_rows(results: Results, images: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Draw a bar for each change of the test images, with a stroke at the accuracy on unchanged ones.

    images: data URIs of an image under each change, by change and amount; some may be missing.
    """
    axis = Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    rows = results.scores["robustness"]
    unchanged = next((row["accuracy"] for row in rows if row["change"] == "none"), None)
    drawn = []
    for row in rows:
        name = "unchanged" if row["change"] == "none" else f"{row['change']}, {row['amount']}"
        about = f"{name}: {percent(row['accuracy'])} of {row['images']:,} images"
        bar = element("rect", x=0, y="17%", width=axis.x(row["accuracy"]), height="66%", class_="bar")
        parts = [*grid(axis), bar]
        if unchanged is not None:
            parts += [line(axis.x(unchanged), "0%", axis.x(unchanged), "100%", class_="unchanged")]
        svg = picture(element("title", about), *parts, about=about, height=HEIGHT, class_="row")
        image = images.get((row["change"], row["amount"]))
        drawn.append({"name": name, "accuracy": row["accuracy"], "image": image, "svg": svg})
    return drawn
