"""A picture of one system: how it learned, and the layers it is made of."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fashion.results.figures.style import FAINT, TRAINING, VALIDATION, draw_table, new_figure, short

# What torch prints of a layer and what is the same in all: left out of the table.
USUAL = re.compile(
    r"(, )?(inplace=(True|False)|stride=\(1, 1\)|start_dim=1, end_dim=-1|bias=(True|False)|approximate='none'"
    r"|relu=False|eps=.*)"
)


def draw_system(name: str, history: Sequence[Mapping[str, str]], layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy by epoch, and the table of layers.

    history: a row for each validation, as `train` writes it. layers: as `layer_table` lists them.
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
        [short(row["layer"]), plain(row["settings"]), shape(row["shape"]), f"{row['parameters']:,}"] for row in layers
    ]
    table = below.subplots()
    total = sum(row["parameters"] for row in layers)
    draw_table(
        table,
        ["layer", "settings", "gives", "parameters"],
        [*rows, ["all", "", "", f"{total:,}"]],
        [2, 4, 2, 2],
        left=2,
    )
    return figure


def draw_curves(axes: Axes, history: Sequence[Mapping[str, str]], what: str) -> None:
    """Draw what it was on training and on validation images, with the best epoch and where phases begin."""
    epochs = [int(row["epoch"]) for row in history]
    best = max(history, key=lambda row: float(row["val_accuracy"]))  # the first of equals, as in training
    for part, colour, label in (("train", TRAINING, "training"), ("val", VALIDATION, "validation")):
        values = [float(row[f"{part}_{what}"]) for row in history]
        axes.plot(epochs, values, color=colour, marker="o" if len(epochs) < 40 else None, markersize=3, label=label)
    axes.plot([int(best["epoch"])], [float(best[f"val_{what}"])], "o", color=VALIDATION, markersize=8, fillstyle="none")
    for row, former in zip(history[1:], history[:-1], strict=True):
        if row["phase"] != former["phase"]:
            axes.axvline(int(former["epoch"]) + 0.5, color=FAINT, linewidth=0.8, linestyle="--")
    axes.legend(frameon=False, title=f"circle: best epoch, {best['epoch']}", title_fontsize=8, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.grid(axis="y")


def plain(settings: str) -> str:
    """Leave out of a layer's settings what is usual.

    >>> plain("32, 64, kernel_size=(3, 3), stride=(1, 1)")
    '32, 64, kernel_size=(3, 3)'
    """
    return short(USUAL.sub("", settings).removeprefix(", "), 48)


def shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
