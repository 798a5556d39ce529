"""Pictures of the images that the systems learn from and are tried on."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from fashion.results.figures.style import FAINT, WIDTH, draw_images, draw_table, height_of, label_bar, new_figure, short
from fashion.results.look import COLOURS, colours_of, is_dark

SAMPLES = 32
PER_CLASS = 10
CLASSES = 30  # shown at most; a picture of a thousand could not be read
BLACK = 10  # grey levels up to it count as black
COPIES = ("original", "flip", "zoom", "flipped zoom")  # in the order of `augment`


def draw_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Show images drawn by chance, each with the name of its class."""
    chosen = np.random.default_rng(0).permutation(len(images))[:SAMPLES]
    figure = new_figure(height_of(len(chosen), columns=8, width=WIDTH, lines=1) + 0.3)
    axes = figure.subplots()
    names = [short(classes[label], 14) for label in labels[chosen]]
    draw_images(axes, images[chosen], names, columns=8, inverted=is_dark(images[chosen]))
    axes.set_title("Training images, drawn by chance")
    return figure


def draw_split(parts: dict[str, int], labelled: dict[str, int]) -> Figure:
    """Show how many images each part has. parts: all; labelled: those whose shares are of one whole."""
    figure = new_figure(0.7 + 0.36 * len(parts))
    axes = figure.subplots()
    names, whole = list(parts), sum(labelled.values())
    axes.barh(names, list(parts.values()), color=[COLOURS[0] if name in labelled else FAINT for name in names])
    axes.invert_yaxis()
    for number, name in enumerate(names):
        share = f"{parts[name] / whole:.1%} of the labelled" if name in labelled else "no labels seen"
        label_bar(axes, parts[name], number, f"{parts[name]:,}, {share}")
    axes.set_xlim(0, max(parts.values()) * 1.45)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("images")
    axes.set_title("Parts of the data")
    return figure


def draw_pixels(images: np.ndarray) -> Figure:
    """Show what the pixels of uint8 images, N x H x W, are: figures, share of black, histogram of all others."""
    levels = np.bincount(np.asarray(images).ravel(), minlength=256)
    values, total = np.arange(256), levels.sum()
    mean = (levels * values).sum() / total
    deviation = np.sqrt((levels * (values - mean) ** 2).sum() / total)
    black = levels[: BLACK + 1].sum() / total
    seen = np.flatnonzero(levels)
    figure = new_figure(3.0)
    table, bars, histogram = figure.subplots(1, 3, width_ratios=[1.4, 0.8, 2])
    rows = [
        ["images", f"{len(images):,}"],
        ["size", f"{images.shape[2]} x {images.shape[1]}"],
        ["pixels", f"{total:,}"],
        ["grey level, smallest", str(seen[0])],
        ["grey level, largest", str(seen[-1])],
        ["grey level, mean", f"{mean:.2f}"],
        ["grey level, deviation", f"{deviation:.2f}"],
    ]
    draw_table(table, ["training images", ""], rows, [1.6, 1])
    bars.bar([f"0 to {BLACK}", f"{BLACK + 1} to 255"], [black, 1 - black], color=["#333333", COLOURS[0]], width=0.7)
    for number, share in enumerate([black, 1 - black]):
        bars.text(number, share, f"{share:.1%}", ha="center", va="bottom")
    bars.set_ylim(0, 1.08)
    bars.set_yticks([])
    bars.set_title("Black and other")
    bars.set_xlabel("grey level")
    histogram.stairs(levels[BLACK + 1 :] / total, np.arange(BLACK + 1, 257) - 0.5, fill=True, color=COLOURS[0])
    histogram.yaxis.set_major_formatter(StrMethodFormatter("{x:.1%}"))
    histogram.set_title(f"Grey levels above {BLACK}")
    histogram.set_xlabel("grey level")
    histogram.set_ylabel("share of all pixels")
    return figure


def draw_classes(labels: dict[str, np.ndarray], classes: list[str]) -> Figure:
    """Show how many images of each class each part has, as a table and as bars, most frequent classes first if many."""
    counts = {part: np.bincount(numbers, minlength=len(classes)) for part, numbers in labels.items()}
    total = sum(counts.values(), start=np.zeros(len(classes), int))
    shown = np.sort(np.argsort(-total, kind="stable")[:CLASSES])
    figure = new_figure(0.8 + 0.26 * (len(shown) + 1))
    table, bars = figure.subplots(1, 2, width_ratios=[1.2, 1])
    rows = [[short(classes[number]), *(f"{counts[part][number]:,}" for part in counts)] for number in shown]
    draw_table(table, ["class", *counts], rows, [1.8, *[1] * len(counts)])
    before = np.zeros(len(shown))
    for (part, count), colour in zip(counts.items(), colours_of(counts).values(), strict=True):
        bars.barh(np.arange(len(shown)) + 1.5, count[shown], left=before, color=colour, height=0.7, label=part)
        before += count[shown]
    bars.set_ylim(len(shown) + 1, 0)  # beside the rows of the table
    bars.set_yticks([])
    bars.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bars.set_xlabel("images")
    bars.legend(ncols=len(counts), loc="upper left", frameon=False, borderaxespad=0, handlelength=1, columnspacing=1)
    hidden = len(classes) - len(shown)
    table.set_title("Images of each class" + (f" (the {CLASSES} most frequent of {len(classes)})" if hidden else ""))
    return figure


def draw_class_samples(images: np.ndarray, labels: np.ndarray, classes: list[str]) -> Figure:
    """Show the first ten images of each class, a row a class."""
    blank = np.full((1, *images.shape[1:]), 0 if is_dark(images[:100]) else 255, np.uint8)
    rows, names = [], []
    for number, name in list(enumerate(classes))[:CLASSES]:
        chosen = images[np.flatnonzero(labels == number)[:PER_CLASS]]
        rows.append(np.concatenate([chosen, np.repeat(blank, PER_CLASS - len(chosen), axis=0)]))
        names.append(name)
    sheet = np.concatenate(rows)
    figure = new_figure(height_of(len(sheet), columns=PER_CLASS, width=WIDTH - 1.5) + 0.3)
    axes = figure.subplots()
    draw_images(axes, sheet, columns=PER_CLASS, rows=names, inverted=is_dark(sheet))
    axes.set_title("Ten training images of each class")
    return figure


def draw_augmentation(copies: np.ndarray, crop: int) -> Figure:
    """Show the copies that `augment` makes: 4N images, those of one image together."""
    images = copies.reshape(-1, len(COPIES), *copies.shape[1:])[:8].swapaxes(0, 1).reshape(-1, *copies.shape[1:])
    columns = len(images) // len(COPIES)
    figure = new_figure(height_of(len(images), columns=columns, width=WIDTH - 1.2) + 0.3)
    axes = figure.subplots()
    draw_images(axes, images, columns=columns, rows=COPIES, inverted=is_dark(images))
    axes.set_title(f"The four copies of a training image; a zoom cuts off {crop} pixels a side")
    return figure
