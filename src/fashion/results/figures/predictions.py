"""Figures of predictions: classification report, confusion matrix, ROC curves, mistakes, calibration, robustness."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fashion.results.figures.image_grid import blanks, image_figure
from fashion.results.figures.style import (
    CORRECT_COLOUR,
    GREY,
    LIGHT_GREY,
    TEXT_COLOUR,
    WIDTH,
    WRONG_COLOUR,
    draw_table,
    label_bar,
    new_figure,
    shorten,
    shorten_start,
)
from fashion.results.gallery import most_confused_classes
from fashion.results.metrics import confusion_matrix, describe_temperatures, is_scaled, mistakes_by_confidence
from fashion.results.palette import COLOURS

MAX_CLASSES = 30  # shown; with a thousand, a figure could not be read
MAX_PREDICTIONS = 24  # test images
MAX_MISTAKES = 32
MAX_UNLABELLED = 32
MAX_PER_CLASS = 20
NONE_UNLABELLED = "There are no unlabelled images"
MAX_POINTS = 400  # of a ROC curve; more would look the same


def draw_classification_report(
    per_class: Mapping[str, Mapping[str, Any]], averages: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Draw a table of precision, recall, F1, ROC AUC and support by class; of many classes, those with the lowest F1.

    averages: more rows, such as the macro means; a metric that a row lacks is left empty.
    """
    names = sorted(sorted(per_class, key=lambda name: per_class[name]["f1"])[:MAX_CLASSES], key=list(per_class).index)
    keys = ("precision", "recall", "f1", "roc_auc", "support")
    figure = new_figure(0.3 + 0.23 * (len(names) + len(averages) + 1))
    axes = figure.subplots()
    rows = [[shorten(name, 30), *(format_cell(per_class[name], key) for key in keys)] for name in names]
    rows += [[name, *(format_cell(row, key) for key in keys)] for name, row in averages.items()]
    draw_table(axes, ["class", "precision", "recall", "F1", "area under ROC", "images"], rows, [3, 1, 1, 1, 1.6, 1])
    hidden = len(per_class) - len(names)
    axes.set_title("Test images by class" + (f": the {MAX_CLASSES} hardest of {len(per_class)}" if hidden else ""))
    return figure


def format_cell(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        return ""
    if row[key] is None:
        return "undefined"
    return f"{row[key]:,}" if key == "support" else f"{row[key]:.4f}"


def draw_confusion(labels: np.ndarray, predicted: np.ndarray, classes: list[str], part: str) -> Figure:
    """Draw the confusion matrix of a part of the data: counts, and fractions of each actual class.

    Of many classes, those with the most errors are shown.
    """
    counts = confusion_matrix(labels, predicted, len(classes))
    shown = most_confused_classes(counts)
    names = [shorten(classes[index], 14) for index in shown]
    counts = counts[np.ix_(shown, shown)]
    shares = counts / np.maximum(np.bincount(labels, minlength=len(classes))[shown], 1)[:, None]
    side = WIDTH / 2
    figure = new_figure(side + 0.5)
    for axes, values, title in zip(
        figure.subplots(1, 2),
        (counts, shares),
        (f"{part} images", "Share of each actual class"),
        strict=True,
    ):
        draw_matrix(axes, values, shares, names)
        axes.set_title(title)
    return figure


def draw_matrix(axes: Axes, values: np.ndarray, shares: np.ndarray, names: Sequence[str]) -> None:
    """Draw a matrix with actual classes in rows and predicted classes in columns.

    values: written into the cells, with up to 20 classes. shares: their square roots give the colours.
    """
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    size = min(7.5, 75 / len(names))
    if len(names) <= 20:
        for (row, column), value in np.ndenumerate(values):
            if value:
                text = f"{value:,}" if value.dtype.kind == "i" else f"{value:.3f}".removeprefix("0")
                colour = "white" if shares[row, column] > 0.3 else TEXT_COLOUR
                axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_roc(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], areas: Mapping[str, float]) -> Figure:
    """Draw the one-vs-rest ROC curve of each class with its area; of many classes, those with the smallest areas.

    curves: false and true positive rates, by class. areas: by class.
    """
    hardest = sorted(curves, key=lambda name: areas[name])[:MAX_CLASSES]
    names = [name for name in curves if name in hardest]
    columns = 5
    rows = max(1, -(-len(names) // columns))
    figure = new_figure(1.8 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        fpr, tpr = curves[name]
        chosen = np.unique(np.linspace(0, len(fpr) - 1, MAX_POINTS).round().astype(int))
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        axes.plot(fpr[chosen], tpr[chosen], color=COLOURS[0])
        axes.text(0.95, 0.08, f"area {areas[name]:.4f}", ha="right", fontsize=8)
        axes.set_title(shorten(name, 16), fontsize=8.5)
        axes.set_aspect("equal")
        axes.set_xticks([0, 1])
        axes.set_yticks([0, 1])
        axes.grid()
    figure.supxlabel("false positive rate", fontsize=9)
    figure.supylabel("true positive rate", fontsize=9)
    return figure


def draw_predictions(
    images: np.ndarray, labels: np.ndarray, log_probabilities: np.ndarray, classes: list[str]
) -> Figure:
    """Draw random test images, each with its actual class, predicted class and probability."""
    chosen = np.random.default_rng(0).permutation(len(images))[:MAX_PREDICTIONS]
    title = "Test images drawn by chance: actual class, predicted class and probability; wrong in orange"
    return draw_captioned(images[chosen], labels[chosen], log_probabilities[chosen], classes, title)


def draw_mistakes(
    images: np.ndarray, labels: np.ndarray, log_probabilities: np.ndarray, classes: list[str], files: Sequence[str]
) -> Figure:
    """Draw the test images that are predicted wrongly with the highest confidence, highest first.

    files: names of the files, by image.
    """
    mistakes = mistakes_by_confidence(labels, log_probabilities)
    chosen = mistakes[:MAX_MISTAKES]
    title = f"There are no mistakes on {len(images):,} test images"
    if len(mistakes):
        title = f"The surest of {len(mistakes):,} mistakes on {len(images):,} test images: "
        title += "actual, predicted, probability, file"
    names = [files[index] for index in chosen]
    return draw_captioned(images[chosen], labels[chosen], log_probabilities[chosen], classes, title, names)


def draw_captioned(
    images: np.ndarray,
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    classes: list[str],
    title: str,
    files: Sequence[str] = (),
) -> Figure:
    """Draw images with actual class, predicted class, probability and, if they are given, names of files below."""
    predicted, confidence = log_probabilities.argmax(1), np.exp(log_probabilities.max(1))
    captions = [
        f"{shorten(classes[label], 14)}\n{shorten(classes[prediction], 14)}\n{probability:.1%}"
        for label, prediction, probability in zip(labels, predicted, confidence, strict=True)
    ]
    if files:
        captions = [f"{text}\n{shorten_start(file, 15)}" for text, file in zip(captions, files, strict=True)]
    colours = [CORRECT_COLOUR if correct else WRONG_COLOUR for correct in predicted == labels]
    return image_figure(images, captions, columns=8, colours=colours, title=title)


def draw_unlabelled(images: np.ndarray, predicted: np.ndarray, classes: list[str]) -> Figure:
    """Draw the first unlabelled images, each with its predicted class."""
    names = [shorten(classes[prediction], 14) for prediction in predicted[:MAX_UNLABELLED]]
    title = "The first unlabelled images, as the final model labels them" if names else NONE_UNLABELLED
    return image_figure(images[:MAX_UNLABELLED], names, columns=8, title=title)


def draw_by_class(images: np.ndarray, predicted: np.ndarray, classes: list[str]) -> Figure:
    """Draw the first twenty unlabelled images that are predicted as each class, one class in a row."""
    if not len(images):
        return image_figure(images, columns=MAX_PER_CLASS, title=NONE_UNLABELLED)
    rows = []
    for label in range(min(len(classes), MAX_CLASSES)):
        chosen = images[np.flatnonzero(predicted == label)[:MAX_PER_CLASS]]
        rows += [chosen, blanks(images, MAX_PER_CLASS - len(chosen))]
    title = "Twenty unlabelled images that the final model labels as each class"
    return image_figure(np.concatenate(rows), columns=MAX_PER_CLASS, rows=classes[:MAX_CLASSES], title=title)


def draw_calibration(calibration: Mapping[str, Any]) -> Figure:
    """Draw accuracy against confidence on test images, before and after temperature scaling; once at temperature 1.

    calibration: as `metrics.calibration` gives it.
    """
    figure = new_figure(3.4)
    panels = figure.subplots(1, 2, sharey=True)
    temperatures = calibration["temperatures"]
    shown = {"before": "As the network gives it"}
    if is_scaled(temperatures):
        shown["after"] = f"At {describe_temperatures(temperatures)}"
    else:
        panels[1].set_axis_off()
    for axes, (when, title) in zip(panels, shown.items(), strict=False):
        columns = ([row[key] for row in calibration[when]["bins"]] for key in ("confidence", "accuracy", "images"))
        confidence, accuracy, images = map(np.array, columns)
        share = images / images.sum()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.8)
        axes.vlines(confidence, confidence, accuracy, color=WRONG_COLOUR, linewidth=1)
        axes.scatter(confidence, accuracy, s=10 + 300 * share, color=COLOURS[0], alpha=0.8)
        axes.set_title(f"{title}: error {calibration[when]['expected_calibration_error']:.3f}")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.05)
        axes.grid()
        axes.set_xlabel("confidence; the larger a dot, the more images")
    panels[0].set_ylabel("accuracy, test images")
    return figure


def draw_robustness(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the accuracy on corrupted test images as bars; a line shows the accuracy on the original images.

    rows: `change`, `amount`, `accuracy`, and number of `images`; the first row is of the original images, with the
    change `none`.
    """
    figure = new_figure(0.22 * len(rows) + 0.8)
    axes = figure.subplots()
    names = [f"{row['change']} {row['amount']}".strip() for row in rows]
    values = [row["accuracy"] for row in rows]
    changes = list(dict.fromkeys(row["change"] for row in rows))
    colours = [
        GREY if row["change"] == "none" else COLOURS[changes.index(row["change"]) % len(COLOURS)] for row in rows
    ]
    axes.barh(range(len(rows)), values, color=colours, height=0.75)
    for position, value in enumerate(values):
        label_bar(axes, value, position, f"{value:.1%}", fontsize=8)
    axes.axvline(values[0], color=TEXT_COLOUR, linestyle="--", linewidth=0.9)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x", color=LIGHT_GREY)
    axes.set_xlabel("accuracy of the final model")
    axes.set_title(f"{rows[0]['images']:,} test images, as they are and changed")
    return figure
