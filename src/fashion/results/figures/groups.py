"""Pictures of systems side by side: each group is a baseline and the systems that change something about it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from fashion.results.figures.style import FAINT, INK, as_ink, label_bar, label_ends, new_figure, short
from fashion.results.look import colours_of

Table = Mapping[str, Mapping[str, Any]]  # of metrics/variants.json: a row a system
ROW = 0.21  # inches for a line of a chart


def groups_of(table: Table) -> dict[str, list[str]]:
    """Put systems with their baselines; a group of one is none."""
    groups: dict[str, list[str]] = {}
    for name, row in table.items():
        groups.setdefault(row["baseline"] or name, []).append(name)
    return {
        baseline: [baseline, *(name for name in names if name != baseline)]
        for baseline, names in groups.items()
        if len({baseline, *names}) > 1
    }


def draw_losses(
    table: Table, families: Mapping[str, str], histories: Mapping[str, Sequence[Mapping[str, str]]]
) -> Figure:
    """Draw the validation losses of each group in one panel, the baseline dashed and dark."""
    groups = groups_of(table)
    colours = colours_of(families.values())
    figure = new_figure(2.9 * max(1, math.ceil(len(groups) / 2)))
    panels = figure.subplots(max(1, math.ceil(len(groups) / 2)), 2, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, (baseline, names) in zip(panels, groups.items(), strict=False):
        ends = {}
        for name in names:
            epochs = [int(row["epoch"]) for row in histories[name]]
            losses = [float(row["val_loss"]) for row in histories[name]]
            colour = INK if name == baseline else colours[families[name]]
            style = "--" if name == baseline else "-"
            axes.plot(epochs, losses, color=colour, linestyle=style, linewidth=1.1, marker="o", markersize=2)
            ends[name] = (epochs[-1], losses[-1], colour)
        lowest = min(float(row["val_loss"]) for name in names for row in histories[name])
        typical = sorted(float(histories[name][0]["val_loss"]) for name in names)[len(names) // 2]
        axes.set_ylim(lowest * 0.95, max(typical, lowest * 1.6) * 1.15)  # a first epoch gone astray hides no other
        label_ends(axes, ends)
        axes.set_title(f"{short(baseline)} (dashed) and its variants")
        axes.set_xscale("log", base=2)  # some learn for three epochs, some for thirty
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation loss")
        axes.grid(axis="y")
    return figure


def draw_accuracies(table: Table, families: Mapping[str, str]) -> Figure:
    """Draw the best validation accuracies of each group as bars, with a line at the baseline and published figures."""
    groups = groups_of(table)
    colours = colours_of(families.values())
    heights = [ROW * len(names) + 0.65 for names in groups.values()] or [1.0]
    figure = new_figure(sum(heights) + 0.2)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, (baseline, names) in zip(panels, groups.items(), strict=False):
        values = [table[name]["val_accuracy"] for name in names]
        reported = [table[name]["reported"] for name in names]
        low = min([*values, *filter(None, reported)])
        start = math.floor((low - (max(values) - low) * 0.15 - 0.002) * 100) / 100
        places = range(len(names))
        axes.barh(
            places,
            [value - start for value in values],
            left=start,
            color=[FAINT if name == baseline else colours[families[name]] for name in names],
            height=0.72,
        )
        for place, value in zip(places, values, strict=True):
            label_bar(axes, value, place, f"{value:.2%}", fontsize=8)
        published = [(figure_, place) for figure_, place in zip(reported, places, strict=True) if figure_]
        if published:
            xs, ys = zip(*published, strict=True)
            axes.scatter(xs, ys, marker="D", s=16, color="white", edgecolor=INK, linewidth=0.8, zorder=3)
        axes.axvline(table[baseline]["val_accuracy"], color=INK, linestyle="--", linewidth=0.9)
        axes.set_yticks(places, [short(name) for name in names], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(start, max(values) + (max(values) - start) * 0.1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.set_title(f"{short(baseline)} (dashed line) and its variants", fontsize=9)
    panels[-1].set_xlabel("best validation accuracy (bars begin where the axis does); diamond: published figure")
    return figure


def draw_all(table: Table, families: Mapping[str, str], final: str) -> Figure:
    """Draw test accuracies with their 95% intervals, best systems first, each family in its colour."""
    colours = colours_of(families.values())
    names = sorted(table, key=lambda name: -table[name]["test_accuracy"])
    figure = new_figure(ROW * len(names) + 0.9)
    axes = figure.subplots()
    for place, name in enumerate(names):
        row, colour = table[name], colours[families[name]]
        low, high = row["test_interval"]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot([row["test_accuracy"]], [place], "o", color=colour, markersize=5)
        label_bar(axes, high, place, f"{row['test_accuracy']:.2%}", fontsize=7.5)
        if row["reported"]:
            axes.plot([row["reported"]], [place], "D", color="white", markeredgecolor=INK, markersize=4)
    axes.set_yticks(range(len(names)), [short(name) for name in names], fontsize=8)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_color(as_ink(colours[families[name]]))
        text.set_fontweight("bold" if name == final else "normal")
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.grid(axis="x")
    axes.set_xlabel("test accuracy with its 95% interval, one training each; diamond: published figure")
    name_families(axes, colours)
    axes.set_title("All systems on the test images")
    return figure


def name_families(axes: Axes, colours: Mapping[str, str]) -> None:
    """Write the families in their colours, from the lower right corner up."""
    for number, (family, colour) in enumerate(colours.items()):
        axes.annotate(
            short(family),
            (1, 0),
            xycoords="axes fraction",
            xytext=(-6, 6 + 13 * number),
            textcoords="offset points",
            ha="right",
            color=as_ink(colour),
            fontweight="bold",
        )


def draw_costs(table: Table, families: Mapping[str, str], final: str) -> Figure:
    """Draw test accuracy against the number of parameters."""
    colours = colours_of(families.values())
    figure = new_figure(4.6)
    axes = figure.subplots()
    for name, row in table.items():
        colour = colours[families[name]]
        axes.errorbar(
            row["parameters"],
            row["test_accuracy"],
            yerr=[[row["test_accuracy"] - row["test_interval"][0]], [row["test_interval"][1] - row["test_accuracy"]]],
            fmt="o",
            color=colour,
            markersize=5,
            elinewidth=0.8,
        )
    frontier = -1.0
    for name in sorted(table, key=lambda name: (table[name]["parameters"], -table[name]["test_accuracy"])):
        row = table[name]
        if row["test_accuracy"] > frontier or name == final:  # no smaller system is as good
            frontier = max(frontier, row["test_accuracy"])
            axes.annotate(
                short(name), (row["parameters"], row["test_accuracy"]), xytext=(-5, 5), textcoords="offset points",
                ha="right", fontsize=8, color=as_ink(colours[families[name]]),
            )  # fmt: skip
    name_families(axes, colours)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.grid()
    axes.margins(x=0.12)
    axes.set_xlabel("parameters")
    axes.set_ylabel("test accuracy, 95% interval")
    axes.set_title("What parameters buy; named: no smaller system is as good")
    return figure


def sweeps(systems: Mapping[str, Any]) -> list[tuple[str, list[tuple[float, str]]]]:
    """Find systems that differ in one number alone: the number's place, and its values with the systems' names.

    systems: their settings, as plain mappings and lists. At least three make a sweep; the longest come first.
    """
    flat = {name: dict(leaves(settings)) for name, settings in systems.items()}
    found: dict[tuple[str, Any], list[tuple[float, str]]] = {}
    for name, settings in flat.items():
        for place, value in settings.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                others = tuple((key, str(other)) for key, other in settings.items() if key != place)
                found.setdefault((place, others), []).append((float(value), name))
    rows = [(place, sorted(values)) for (place, _), values in found.items() if len({value for value, _ in values}) > 2]
    return sorted(rows, key=lambda row: -len(row[1]))


def leaves(settings: Any, place: str = "") -> list[tuple[str, Any]]:
    """Flatten mappings and lists to pairs of place and value."""
    if isinstance(settings, Mapping):
        return [leaf for key, value in settings.items() for leaf in leaves(value, f"{place}.{key}" if place else key)]
    if isinstance(settings, list):
        return [leaf for number, value in enumerate(settings) for leaf in leaves(value, f"{place}[{number}]")]
    return [(place, settings)]


def draw_sweeps(table: Table, families: Mapping[str, str], systems: Mapping[str, Any]) -> Figure:
    """Draw test accuracy against each setting in which three systems or more differ, and in it alone."""
    colours = colours_of(families.values())
    found = sweeps(systems)[:3]
    figure = new_figure(3.2 * max(1, len(found)))
    panels = figure.subplots(max(1, len(found)), 1, squeeze=False).ravel()
    if not found:
        panels[0].set_axis_off()
        panels[0].text(
            0.5, 0.5, "No three systems differ in one number alone.", ha="center", transform=panels[0].transAxes
        )
    for axes, (place, values) in zip(panels, found, strict=False):
        for value, name in values:
            row, colour = table[name], colours[families[name]]
            low, high = row["test_interval"]
            axes.plot([value, value], [low, high], color=colour, linewidth=1.6)
            axes.plot([value], [row["test_accuracy"]], "o", color=colour)
            label_bar(axes, value, row["test_accuracy"], short(name), fontsize=8)
            if row["reported"]:
                axes.plot([value], [row["reported"]], "D", color="white", markeredgecolor=INK, markersize=4)
        means = {
            value: [table[name]["test_accuracy"] for other, name in values if other == value] for value, _ in values
        }
        axes.plot(
            list(means), [sum(group) / len(group) for group in means.values()], color=FAINT, linewidth=0.8, zorder=0
        )
        axes.set_xticks([value for value, _ in values])
        axes.margins(x=0.1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y")
        axes.set_xlabel(place)
        axes.set_ylabel("test accuracy, 95% interval")
        axes.set_title(f"Systems that differ in {place} alone; diamond: published figure")
    return figure
