"""Figures that compare systems; a group is a baseline and the systems that change something about it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from fashion.results.figures.style import GREY, TEXT_COLOUR, darken, label_bar, label_curves, new_figure, shorten
from fashion.results.palette import assign_colours

Table = Mapping[str, Mapping[str, Any]]  # metrics/variants.json: a row for each system
ROW_HEIGHT = 0.21  # inches


def group_by_baseline(table: Table) -> dict[str, list[str]]:
    """Group systems by their baselines, which come first; leave out groups with a single system."""
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
    """Draw the validation losses by epoch, one panel for each group; the baseline is dashed and dark.

    families: family of each system. histories: rows of each system's history, as `train` writes them.
    """
    groups = group_by_baseline(table)
    colours = assign_colours(families.values())
    figure = new_figure(2.9 * max(1, math.ceil(len(groups) / 2)))
    panels = figure.subplots(max(1, math.ceil(len(groups) / 2)), 2, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, (baseline, names) in zip(panels, groups.items(), strict=False):
        ends = {}
        for name in names:
            epochs = [int(row["epoch"]) for row in histories[name]]
            losses = [float(row["val_loss"]) for row in histories[name]]
            colour = TEXT_COLOUR if name == baseline else colours[families[name]]
            style = "--" if name == baseline else "-"
            axes.plot(epochs, losses, color=colour, linestyle=style, linewidth=1.1, marker="o", markersize=2)
            ends[name] = (epochs[-1], losses[-1], colour)
        lowest = min(float(row["val_loss"]) for name in names for row in histories[name])
        median_first = sorted(float(histories[name][0]["val_loss"]) for name in names)[len(names) // 2]
        # Not up to the highest loss: a single very large first loss would flatten all other curves.
        axes.set_ylim(lowest * 0.95, max(median_first, lowest * 1.6) * 1.15)
        label_curves(axes, ends)
        axes.set_title(f"{shorten(baseline)} (dashed) and its variants")
        axes.set_xscale("log", base=2)  # some trainings have three epochs, some thirty
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation loss")
        axes.grid(axis="y")
    return figure


def draw_accuracies(table: Table, families: Mapping[str, str]) -> Figure:
    """Draw the best validation accuracies as bars, one panel for each group.

    A dashed line is at the accuracy of the baseline; diamonds are published accuracies.
    """
    groups = group_by_baseline(table)
    colours = assign_colours(families.values())
    heights = [ROW_HEIGHT * len(names) + 0.65 for names in groups.values()] or [1.0]
    figure = new_figure(sum(heights) + 0.2)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, (baseline, names) in zip(panels, groups.items(), strict=False):
        values = [table[name]["val_accuracy"] for name in names]
        reported = [table[name]["reported"] for name in names]
        lowest = min([*values, *filter(None, reported)])
        start = math.floor((lowest - (max(values) - lowest) * 0.15 - 0.002) * 100) / 100
        positions = range(len(names))
        axes.barh(
            positions,
            [value - start for value in values],
            left=start,
            color=[GREY if name == baseline else colours[families[name]] for name in names],
            height=0.72,
        )
        for position, value in zip(positions, values, strict=True):
            label_bar(axes, value, position, f"{value:.2%}", fontsize=8)
        diamonds = [(accuracy, position) for accuracy, position in zip(reported, positions, strict=True) if accuracy]
        if diamonds:
            xs, ys = zip(*diamonds, strict=True)
            axes.scatter(xs, ys, marker="D", s=16, color="white", edgecolor=TEXT_COLOUR, linewidth=0.8, zorder=3)
        axes.axvline(table[baseline]["val_accuracy"], color=TEXT_COLOUR, linestyle="--", linewidth=0.9)
        axes.set_yticks(positions, [shorten(name) for name in names], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(start, max(values) + (max(values) - start) * 0.1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.set_title(f"{shorten(baseline)} (dashed line) and its variants", fontsize=9)
    panels[-1].set_xlabel("best validation accuracy (bars begin where the axis does); diamond: published figure")
    return figure


def draw_test_accuracies(table: Table, families: Mapping[str, str], final: str) -> Figure:
    """Draw the test accuracies of all systems with their 95% intervals, best first; one colour for each family."""
    colours = assign_colours(families.values())
    names = sorted(table, key=lambda name: -table[name]["test_accuracy"])
    figure = new_figure(ROW_HEIGHT * len(names) + 0.9)
    axes = figure.subplots()
    for position, name in enumerate(names):
        row, colour = table[name], colours[families[name]]
        low, high = row["test_interval"]
        axes.plot([low, high], [position, position], color=colour, linewidth=1.6)
        axes.plot([row["test_accuracy"]], [position], "o", color=colour, markersize=5)
        label_bar(axes, high, position, f"{row['test_accuracy']:.2%}", fontsize=7.5)
        if row["reported"]:
            axes.plot([row["reported"]], [position], "D", color="white", markeredgecolor=TEXT_COLOUR, markersize=4)
    axes.set_yticks(range(len(names)), [shorten(name) for name in names], fontsize=8)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_color(darken(colours[families[name]]))
        text.set_fontweight("bold" if name == final else "normal")
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.grid(axis="x")
    axes.set_xlabel("test accuracy with its 95% interval, one training each; diamond: published figure")
    label_families(axes, colours)
    axes.set_title("All systems on the test images")
    return figure


def label_families(axes: Axes, colours: Mapping[str, str]) -> None:
    """Write the names of the families in their colours, upwards from the lower right corner."""
    for index, (family, colour) in enumerate(colours.items()):
        axes.annotate(
            shorten(family),
            (1, 0),
            xycoords="axes fraction",
            xytext=(-6, 6 + 13 * index),
            textcoords="offset points",
            ha="right",
            color=darken(colour),
            fontweight="bold",
        )


def draw_parameters(table: Table, families: Mapping[str, str], final: str) -> Figure:
    """Draw test accuracy against the number of parameters.

    Only the final model and systems that are more accurate than all smaller ones are named.
    """
    colours = assign_colours(families.values())
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
    best_accuracy = -1.0
    for name in sorted(table, key=lambda name: (table[name]["parameters"], -table[name]["test_accuracy"])):
        row = table[name]
        if row["test_accuracy"] > best_accuracy or name == final:
            best_accuracy = max(best_accuracy, row["test_accuracy"])
            axes.annotate(
                shorten(name), (row["parameters"], row["test_accuracy"]), xytext=(-5, 5), textcoords="offset points",
                ha="right", fontsize=8, color=darken(colours[families[name]]),
            )  # fmt: skip
    label_families(axes, colours)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.grid()
    axes.margins(x=0.12)
    axes.set_xlabel("parameters")
    axes.set_ylabel("test accuracy, 95% interval")
    axes.set_title("What parameters buy; named: no smaller system is as good")
    return figure


def find_sweeps(systems: Mapping[str, Any]) -> list[tuple[str, list[tuple[float, str]]]]:
    """Find sweeps: a numeric setting with at least three values, among systems that differ in no other setting.

    systems: settings of each system, as nested mappings and lists. Returns, for each sweep, the path of the setting and
    pairs of value and system; longest sweep first.

    >>> find_sweeps({"a": {"lr": 0.1}, "b": {"lr": 0.2}, "c": {"lr": 0.3}})
    [('lr', [(0.1, 'a'), (0.2, 'b'), (0.3, 'c')])]
    """
    flat = {name: dict(flatten(settings)) for name, settings in systems.items()}
    groups: dict[tuple[str, Any], list[tuple[float, str]]] = {}
    for name, settings in flat.items():
        for path, value in settings.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                others = tuple((key, str(other)) for key, other in settings.items() if key != path)
                groups.setdefault((path, others), []).append((float(value), name))
    sweeps = [(path, sorted(pairs)) for (path, _), pairs in groups.items() if len({value for value, _ in pairs}) > 2]
    return sorted(sweeps, key=lambda sweep: -len(sweep[1]))


def flatten(settings: Any, path: str = "") -> list[tuple[str, Any]]:
    """Flatten nested mappings and lists to pairs of path and value.

    >>> flatten({"kernels": [3, 5]})
    [('kernels[0]', 3), ('kernels[1]', 5)]
    """
    if isinstance(settings, Mapping):
        return [leaf for key, value in settings.items() for leaf in flatten(value, f"{path}.{key}" if path else key)]
    if isinstance(settings, list):
        return [leaf for index, value in enumerate(settings) for leaf in flatten(value, f"{path}[{index}]")]
    return [(path, settings)]


def draw_sweeps(table: Table, families: Mapping[str, str], systems: Mapping[str, Any]) -> Figure:
    """Draw the test accuracy of the three longest sweeps, see `find_sweeps`.

    systems: settings of each system, as nested mappings and lists.
    """
    colours = assign_colours(families.values())
    sweeps = find_sweeps(systems)[:3]
    figure = new_figure(3.2 * max(1, len(sweeps)))
    panels = figure.subplots(max(1, len(sweeps)), 1, squeeze=False).ravel()
    if not sweeps:
        panels[0].set_axis_off()
        panels[0].text(
            0.5, 0.5, "No three systems differ in one number alone.", ha="center", transform=panels[0].transAxes
        )
    for axes, (path, pairs) in zip(panels, sweeps, strict=False):
        for value, name in pairs:
            row, colour = table[name], colours[families[name]]
            low, high = row["test_interval"]
            axes.plot([value, value], [low, high], color=colour, linewidth=1.6)
            axes.plot([value], [row["test_accuracy"]], "o", color=colour)
            label_bar(axes, value, row["test_accuracy"], shorten(name), fontsize=8)
            if row["reported"]:
                axes.plot([value], [row["reported"]], "D", color="white", markeredgecolor=TEXT_COLOUR, markersize=4)
        accuracies: dict[float, list[float]] = {}
        for value, name in pairs:
            accuracies.setdefault(value, []).append(table[name]["test_accuracy"])
        means = [sum(group) / len(group) for group in accuracies.values()]
        axes.plot(list(accuracies), means, color=GREY, linewidth=0.8, zorder=0)
        axes.set_xticks([value for value, _ in pairs])
        axes.margins(x=0.1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y")
        axes.set_xlabel(path)
        axes.set_ylabel("test accuracy, 95% interval")
        axes.set_title(f"Systems that differ in {path} alone; diamond: published figure")
    return figure
