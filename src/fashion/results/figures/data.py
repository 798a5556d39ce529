"""Figures of the data: random samples, split, pixels, classes, samples of each class, augmentation."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from fashion.results.figures.style import (
    GREY,
    WIDTH,
    draw_images,
    draw_table,
    grid_height,
    label_bar,
    new_figure,
    shorten,
)
from fashion.results.palette import COLOURS, assign_colours, has_dark_background

MAX_SAMPLES = 32
MAX_PER_CLASS = 10
MAX_CLASSES = 30  # shown; with a thousand, the figure could not be read
MAX_BLACK = 10  # highest grey level that counts as black
COPY_NAMES = ("original", "flip", "zoom", "flipped zoom")  # in the order of `augment`


def draw_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Draw random images, each with the name of its class."""
    chosen = np.random.default_rng(0).permutation(len(images))[:MAX_SAMPLES]
    figure = new_figure(grid_height(len(chosen), columns=8, width=WIDTH, caption_lines=1) + 0.3)
    axes = figure.subplots()
    names = [shorten(classes[label], 14) for label in labels[chosen]]
    draw_images(axes, images[chosen], names, columns=8, inverted=has_dark_background(images[chosen]))
    axes.set_title("Training images, drawn by chance")
    return figure


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
    """Draw pixel statistics of uint8 images, N x H x W: a table, the share of black, a histogram of the rest."""
    counts = np.bincount(np.asarray(images).ravel(), minlength=256)
    levels, total = np.arange(256), counts.sum()
    mean = (counts * levels).sum() / total
    deviation = np.sqrt((counts * (levels - mean) ** 2).sum() / total)
    black = counts[: MAX_BLACK + 1].sum() / total
    used = np.flatnonzero(counts)
    figure = new_figure(3.0)
    table, bars, histogram = figure.subplots(1, 3, width_ratios=[1.4, 0.8, 2])
    rows = [
        ["images", f"{len(images):,}"],
        ["size", f"{images.shape[2]} x {images.shape[1]}"],
        ["pixels", f"{total:,}"],
        ["grey level, smallest", str(used[0])],
        ["grey level, largest", str(used[-1])],
        ["grey level, mean", f"{mean:.2f}"],
        ["grey level, deviation", f"{deviation:.2f}"],
    ]
    draw_table(table, ["training images", ""], rows, [1.6, 1])
    bar_names = [f"0 to {MAX_BLACK}", f"{MAX_BLACK + 1} to 255"]
    bars.bar(bar_names, [black, 1 - black], color=["#333333", COLOURS[0]], width=0.7)
    for position, share in enumerate([black, 1 - black]):
        bars.text(position, share, f"{share:.1%}", ha="center", va="bottom")
    bars.set_ylim(0, 1.08)
    bars.set_yticks([])
    bars.set_title("Black and other")
    bars.set_xlabel("grey level")
    edges = np.arange(MAX_BLACK + 1, 257) - 0.5
    histogram.stairs(counts[MAX_BLACK + 1 :] / total, edges, fill=True, color=COLOURS[0])
    histogram.yaxis.set_major_formatter(StrMethodFormatter("{x:.1%}"))
    histogram.set_title(f"Grey levels above {MAX_BLACK}")
    histogram.set_xlabel("grey level")
    histogram.set_ylabel("share of all pixels")
    return figure


def draw_classes(labels: dict[str, np.ndarray], classes: list[str]) -> Figure:
    """Draw the number of images of each class in each part, as a table and as bars.

    labels: N class indices, by part. Of more than `MAX_CLASSES` classes, the most frequent ones are shown.
    """
    counts = {part: np.bincount(part_labels, minlength=len(classes)) for part, part_labels in labels.items()}
    total = sum(counts.values(), start=np.zeros(len(classes), int))
    shown = np.sort(np.argsort(-total, kind="stable")[:MAX_CLASSES])
    figure = new_figure(0.8 + 0.26 * (len(shown) + 1))
    table, bars = figure.subplots(1, 2, width_ratios=[1.2, 1])
    rows = [[shorten(classes[index]), *(f"{counts[part][index]:,}" for part in counts)] for index in shown]
    draw_table(table, ["class", *counts], rows, [1.8, *[1] * len(counts)])
    left = np.zeros(len(shown))
    for (part, count), colour in zip(counts.items(), assign_colours(counts).values(), strict=True):
        bars.barh(np.arange(len(shown)) + 1.5, count[shown], left=left, color=colour, height=0.7, label=part)
        left += count[shown]
    bars.set_ylim(len(shown) + 1, 0)  # aligned with the rows of the table
    bars.set_yticks([])
    bars.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bars.set_xlabel("images")
    bars.legend(ncols=len(counts), loc="upper left", frameon=False, borderaxespad=0, handlelength=1, columnspacing=1)
    hidden = len(classes) - len(shown)
    table.set_title(
        "Images of each class" + (f" (the {MAX_CLASSES} most frequent of {len(classes)})" if hidden else "")
    )
    return figure


def draw_class_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Draw the first ten images of each class, one class in a row."""
    blank = np.full((1, *images.shape[1:]), 0 if has_dark_background(images[:100]) else 255, np.uint8)
    rows, names = [], []
    for label, name in list(enumerate(classes))[:MAX_CLASSES]:
        chosen = images[np.flatnonzero(labels == label)[:MAX_PER_CLASS]]
        rows.append(np.concatenate([chosen, np.repeat(blank, MAX_PER_CLASS - len(chosen), axis=0)]))
        names.append(name)
    samples = np.concatenate(rows)
    figure = new_figure(grid_height(len(samples), columns=MAX_PER_CLASS, width=WIDTH - 1.5) + 0.3)
    axes = figure.subplots()
    draw_images(axes, samples, columns=MAX_PER_CLASS, rows=names, inverted=has_dark_background(samples))
    axes.set_title("Ten training images of each class")
    return figure


def draw_augmentation(copies: np.ndarray, crop: int) -> Figure:
    """Draw the four copies of each training image.

    copies: 4N images, with the four copies of an image one after another, as `augment` writes them.
    crop: pixels that a zoom cuts off at each side.
    """
    images = copies.reshape(-1, len(COPY_NAMES), *copies.shape[1:])[:8].swapaxes(0, 1).reshape(-1, *copies.shape[1:])
    columns = len(images) // len(COPY_NAMES)
    figure = new_figure(grid_height(len(images), columns=columns, width=WIDTH - 1.2) + 0.3)
    axes = figure.subplots()
    draw_images(axes, images, columns=columns, rows=COPY_NAMES, inverted=has_dark_background(images))
    axes.set_title(f"The four copies of a training image; a zoom cuts off {crop} pixels a side")
    return figure
