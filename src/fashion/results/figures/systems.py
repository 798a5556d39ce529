"""Draw one system: its learning curves and a table of its layers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fashion.results.figures.style import GREY, TRAIN_COLOUR, VAL_COLOUR, draw_table, new_figure, shorten

# Settings that torch prints for a layer and that are the same in all of them: left out of the table.
DEFAULT_SETTINGS = re.compile(
    r"(, )?(inplace=(True|False)|stride=\(1, 1\)|start_dim=1, end_dim=-1|bias=(True|False)|approximate='none'"
    r"|relu=False|eps=.*)"
)


def draw_system(name: str, history: Sequence[Mapping[str, str]], layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy by epoch, and the table of layers.

    history: a row for each validation, as `train` writes it. layers: rows of `layer_table`.
    """
    table_height = 0.21 * (len(layers) + 2)
    figure = new_figure(3.1 + table_height)
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=[3.1, table_height]))
    loss, accuracy = above.subplots(1, 2)
    draw_curves(loss, history, "loss")
    draw_curves(accuracy, history, "accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    loss.set_title(f"{name}: loss")
    accuracy.set_title("Accuracy")
    rows = [
        [
            shorten(row["layer"]),
            without_defaults(row["settings"]),
            format_shape(row["shape"]),
            f"{row['parameters']:,}",
        ]
        for row in layers
    ]
    table = below.subplots()
    total = sum(row["parameters"] for row in layers)
    draw_table(
        table,
        ["layer", "settings", "gives", "parameters"],
        [*rows, ["all", "", "", f"{total:,}"]],
        [2, 4, 2, 2],
        text_columns=2,
    )
    return figure


def draw_curves(axes: Axes, history: Sequence[Mapping[str, str]], metric: str) -> None:
    """Draw a metric, `loss` or `accuracy`, on training and validation images; mark the best epoch and new phases."""
    epochs = [int(row["epoch"]) for row in history]
    best = [row for row in history if row["best"] == "True"][-1]
    for part, colour, label in (("train", TRAIN_COLOUR, "training"), ("val", VAL_COLOUR, "validation")):
        values = [float(row[f"{part}_{metric}"]) for row in history]
        axes.plot(epochs, values, color=colour, marker="o" if len(epochs) < 40 else None, markersize=3, label=label)
    best_value = float(best[f"val_{metric}"])
    axes.plot([int(best["epoch"])], [best_value], "o", color=VAL_COLOUR, markersize=8, fillstyle="none")
    for row, previous in zip(history[1:], history[:-1], strict=True):
        if row["phase"] != previous["phase"]:
            axes.axvline(int(previous["epoch"]) + 0.5, color=GREY, linewidth=0.8, linestyle="--")
    axes.legend(frameon=False, title=f"circle: best epoch, {best['epoch']}", title_fontsize=8, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(metric)
    axes.grid(axis="y")


def without_defaults(settings: str) -> str:
    """Remove default values from the settings of a layer.

    >>> without_defaults("32, 64, kernel_size=(3, 3), stride=(1, 1)")
    '32, 64, kernel_size=(3, 3)'
    """
    return shorten(DEFAULT_SETTINGS.sub("", settings).removeprefix(", "), 48)


def format_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
