"""Figures of the data: random samples, split, pixels, classes, samples of each class, augmentation."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from fashion.classifier.levels import count_levels, moments
from fashion.results.figures.image_grid import blanks, image_figure
from fashion.results.figures.style import GREY, draw_table, label_bar, new_figure, shorten
from fashion.results.palette import COLOURS, assign_colours

MAX_SAMPLES = 32
MAX_PER_CLASS = 10
MAX_CLASSES = 30  # shown; with a thousand, the figure could not be read
NUM_ENDS = 11  # lowest levels that count as dark, and highest ones that count as bright: often a background
CHANNELS = {1: {"grey": COLOURS[0]}, 3: {"red": "#c0392b", "green": "#2e8b57", "blue": "#2962a8"}}  # with colours
COPY_NAMES = ("original", "flip", "zoom", "flipped zoom")  # in the order of `augment`


def draw_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Draw random images, each with the name of its class."""
    chosen = np.random.default_rng(0).permutation(len(images))[:MAX_SAMPLES]
    names = [shorten(classes[label], 14) for label in labels[chosen]]
    return image_figure(images[chosen], names, columns=8, title="Training images, drawn by chance")


def draw_split(parts: dict[str, int], labelled: dict[str, int]) -> Figure:
    """Draw the number of images in each part of the data.

    parts: number of images by part. labelled: those with labels, which are also shown as fractions of their total.
    """
    figure = new_figure(0.7 + 0.36 * len(parts))
    axes = figure.subplots()
    names, total = list(parts), sum(labelled.values())
    axes.barh(names, list(parts.values()), color=[COLOURS[0] if name in labelled else GREY for name in names])
    axes.invert_yaxis()
    for position, name in enumerate(names):
        share = f"{parts[name] / total:.1%} of the labelled" if name in labelled else "no labels seen"
        label_bar(axes, parts[name], position, f"{parts[name]:,}, {share}")
    axes.set_xlim(0, max(parts.values()) * 1.45)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("images")
    axes.set_title("Parts of the data")
    return figure


def draw_pixels(images: np.ndarray) -> Figure:
    """Draw the levels of each channel of uint8 images, N x C x H x W.

    A table, the share of the darkest and brightest levels, and a histogram of the others.
    """
    counts, channels = count_levels(images), CHANNELS[images.shape[1]]
    total, (means, deviations) = counts.sum(1), moments(counts)
    used = [np.flatnonzero(channel) for channel in counts]
    figure = new_figure(3.0)
    table, bars, histogram = figure.subplots(1, 3, width_ratios=[1.5, 1.1, 1.7])
    rows = [
        ["images", f"{len(images):,}"],
        ["height x width", f"{images.shape[2]} x {images.shape[3]}"],
        ["pixels", f"{total[0]:,}"],
    ]
    rows = [[name, *[""] * (len(channels) - 1), value] for name, value in rows]
    rows += [["", *channels]] if len(channels) > 1 else []
    rows += [
        ["smallest level", *(str(channel[0]) for channel in used)],
        ["largest level", *(str(channel[-1]) for channel in used)],
        ["mean", *(f"{mean:.1f}" for mean in means)],
        ["standard deviation", *(f"{deviation:.1f}" for deviation in deviations)],
    ]
    draw_table(table, ["training images", *[""] * len(channels)], rows, [1.6, *[0.8] * len(channels)])
    groups = np.split(counts, [NUM_ENDS, 256 - NUM_ENDS], axis=1)
    shares, width = np.stack([group.sum(1) for group in groups], axis=1) / total[:, None], 0.8 / len(channels)
    for number, (share, colour) in enumerate(zip(shares, channels.values(), strict=True)):
        positions = np.arange(3) + (number - (len(channels) - 1) / 2) * width
        bars.bar(positions, share, color=colour, width=width * 0.9)
        for position, value in zip(positions, share, strict=True):
            size = 8 if len(channels) == 1 else 6
            bars.text(position, value, f"{value:.0%}", ha="center", va="bottom", fontsize=size)
    bars.set_ylim(0, 1.08)
    bars.set_yticks([])
    bars.set_xticks(range(3), [f"0 to {NUM_ENDS - 1}", "other", f"{256 - NUM_ENDS} to 255"], fontsize=7)
    bars.set_title("Dark, bright")
    bars.set_xlabel("level")
    edges = np.arange(NUM_ENDS, 257 - NUM_ENDS) - 0.5
    for count, (name, colour) in zip(groups[1], channels.items(), strict=True):
        if len(channels) == 1:
            histogram.stairs(count / total[0], edges, fill=True, color=colour)
        else:
            histogram.stairs(count / total[0], edges, baseline=None, color=colour, label=name)
    if len(channels) > 1:
        histogram.legend(frameon=False, fontsize=8, handlelength=1)
    histogram.set_ylim(bottom=0)
    histogram.yaxis.set_major_formatter(StrMethodFormatter("{x:.2%}"))
    histogram.set_title("Other levels")
    histogram.set_xlabel("level")
    histogram.set_ylabel("share of all pixels")
    return figure


def draw_classes(labels: dict[str, np.ndarray], classes: list[str]) -> Figure:
    """Draw the number of images of each class in each part, as a table and as bars.

    labels: N class indices, by part. Of more than `MAX_CLASSES` classes, the most frequent ones are shown.
    """
    counts = {part: np.bincount(part_labels, minlength=len(classes)) for part, part_labels in labels.items()}
    total = sum(counts.values(), start=np.zeros(len(classes), int))
    shown = np.sort(np.argsort(-total, kind="stable")[:MAX_CLASSES])
    many = len(counts) > 3  # parts: the table needs more space, and the legend that of both panels
    figure = new_figure(0.8 + 0.26 * (len(shown) + 1 + many))
    table, bars = figure.subplots(1, 2, width_ratios=[2.4 if many else 1.2, 1])
    rows = [[shorten(classes[index]), *(f"{counts[part][index]:,}" for part in counts)] for index in shown]
    draw_table(table, ["class", *counts], rows, [1.8 + many, *[1] * len(counts)])
    left = np.zeros(len(shown))
    for (part, count), colour in zip(counts.items(), assign_colours(counts).values(), strict=True):
        bars.barh(np.arange(len(shown)) + 1.5, count[shown], left=left, color=colour, height=0.7, label=part)
        left += count[shown]
    bars.set_ylim(len(shown) + 1, 0)  # aligned with the rows of the table
    bars.set_yticks([])
    bars.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bars.set_xlabel("images")
    options: dict[str, Any] = {"ncols": len(counts), "frameon": False, "handlelength": 1, "columnspacing": 1}
    if many:
        figure.legend(loc="outside lower right", **options)
    else:
        bars.legend(loc="upper left", borderaxespad=0, **options)
    hidden = len(classes) - len(shown)
    table.set_title(
        "Images of each class" + (f" (the {MAX_CLASSES} most frequent of {len(classes)})" if hidden else "")
    )
    return figure


def draw_class_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Draw the first ten images of each class, one class in a row."""
    rows = []
    for label in range(min(len(classes), MAX_CLASSES)):
        chosen = images[np.flatnonzero(labels == label)[:MAX_PER_CLASS]]
        rows += [chosen, blanks(images, MAX_PER_CLASS - len(chosen))]
    return image_figure(
        np.concatenate(rows),
        columns=MAX_PER_CLASS,
        rows=classes[:MAX_CLASSES],
        title="Ten training images of each class",
    )


def draw_augmentation(copies: np.ndarray, crop: int) -> Figure:
    """Draw the four copies of each training image.

    copies: 4N images, with the four copies of an image one after another, as `augment` writes them.
    crop: pixels that a zoom cuts off at each side.
    """
    images = copies.reshape(-1, len(COPY_NAMES), *copies.shape[1:])[:8].swapaxes(0, 1).reshape(-1, *copies.shape[1:])
    title = f"The four copies of a training image; a zoom cuts off {crop} pixels a side"
    return image_figure(images, columns=len(images) // len(COPY_NAMES), rows=COPY_NAMES, title=title)
