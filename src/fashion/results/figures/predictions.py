"""Pictures of what the final model says of images, right and wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fashion.results.answers import confused_most
from fashion.results.figures.style import (
    FAINT,
    INK,
    PALE,
    RIGHT,
    WIDTH,
    WRONG,
    draw_images,
    draw_table,
    height_of,
    label_bar,
    new_figure,
    short,
)
from fashion.results.look import COLOURS, is_dark
from fashion.results.scores import at_temperature, confusion_matrix, most_confident_mistakes, reliability

CLASSES = 30  # shown at most; a picture of a thousand could not be read
PREDICTED = 24  # test images with what is predicted
MISTAKES = 32
UNLABELLED = 32
PER_CLASS = 20
POINTS = 400  # of a ROC curve: more could not be told apart


def draw_report(per_class: Mapping[str, Mapping[str, Any]], averages: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Write precision, recall, F1, support and area under ROC of each class; those with the lowest F1 if many.

    averages: rows below the classes, such as the macro means, which may lack some figures.
    """
    names = sorted(sorted(per_class, key=lambda name: per_class[name]["f1"])[:CLASSES], key=list(per_class).index)
    keys = ("precision", "recall", "f1", "roc_auc", "support")
    figure = new_figure(0.3 + 0.23 * (len(names) + len(averages) + 1))
    axes = figure.subplots()
    rows = [[short(name, 30), *(cell(per_class[name], key) for key in keys)] for name in names]
    rows += [[name, *(cell(row, key) for key in keys)] for name, row in averages.items()]
    draw_table(axes, ["class", "precision", "recall", "F1", "area under ROC", "images"], rows, [3, 1, 1, 1, 1.6, 1])
    hidden = len(per_class) - len(names)
    axes.set_title("Test images by class" + (f": the {CLASSES} hardest of {len(per_class)}" if hidden else ""))
    return figure


def cell(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        return ""
    if row[key] is None:
        return "undefined"
    return f"{row[key]:,}" if key == "support" else f"{row[key]:.4f}"


def draw_confusion(labels: np.ndarray, guesses: np.ndarray, classes: list[str], part: str) -> Figure:
    """Draw the confusion matrix of a part: counts, and shares of each actual class.

    Of many classes, those that are confused most are shown.
    """
    counts = confusion_matrix(labels, guesses, len(classes))
    shown = confused_most(counts)
    names = [short(classes[number], 14) for number in shown]
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
    """Draw a matrix, actual classes down, predicted ones across; the colour goes by the root of the share."""
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    size = min(7.5, 75 / len(names))
    if len(names) <= 20:
        for (row, column), value in np.ndenumerate(values):
            if value:
                text = f"{value:,}" if value.dtype.kind == "i" else f"{value:.3f}".removeprefix("0")
                colour = "white" if shares[row, column] > 0.3 else INK
                axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_roc(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], areas: Mapping[str, float | None]) -> Figure:
    """Draw each class's one-v-rest ROC curve with the area under it; the smallest areas if there are many classes.

    curves: false and true positive rates by class.
    """
    hardest = sorted(curves, key=lambda name: areas[name] or 0)[:CLASSES]
    names = [name for name in curves if name in hardest]
    columns = 5
    lines = max(1, -(-len(names) // columns))
    figure = new_figure(1.8 * lines + 0.3)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        false, true = curves[name]
        chosen = np.unique(np.linspace(0, len(false) - 1, POINTS).round().astype(int))
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle="--")
        axes.plot(false[chosen], true[chosen], color=COLOURS[0])
        axes.text(0.95, 0.08, f"area {areas[name]:.4f}", ha="right", fontsize=8)
        axes.set_title(short(name, 16), fontsize=8.5)
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
    """Show test images drawn by chance, each with its actual and predicted class and the probability."""
    chosen = np.random.default_rng(0).permutation(len(images))[:PREDICTED]
    title = "Test images drawn by chance: actual class, predicted class and probability; wrong in orange"
    return draw_answers(images[chosen], labels[chosen], log_probabilities[chosen], classes, title, columns=8)


def draw_mistakes(images: np.ndarray, labels: np.ndarray, log_probabilities: np.ndarray, classes: list[str]) -> Figure:
    """Show the test images that are taken for another class with the most confidence, the surest first."""
    wrong = most_confident_mistakes(labels, log_probabilities)
    chosen = wrong[:MISTAKES]
    title = f"The surest of {len(wrong):,} mistakes on {len(images):,} test images: actual, predicted, probability"
    return draw_answers(images[chosen], labels[chosen], log_probabilities[chosen], classes, title, columns=8)


def draw_answers(
    images: np.ndarray,
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    classes: list[str],
    title: str,
    *,
    columns: int,
) -> Figure:
    """Show images with actual class, predicted class and probability below."""
    guesses, sure = log_probabilities.argmax(1), np.exp(log_probabilities.max(1))
    captions = [
        f"{short(classes[label], 14)}\n{short(classes[guess], 14)}\n{probability:.1%}"
        for label, guess, probability in zip(labels, guesses, sure, strict=True)
    ]
    colours = [RIGHT if right else WRONG for right in guesses == labels]
    figure = new_figure(height_of(max(len(images), 1), columns=columns, width=WIDTH, lines=3) + 0.3)
    axes = figure.subplots()
    if len(images):
        draw_images(axes, images, captions, columns=columns, colours=colours, inverted=is_dark(images))
    else:
        axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    return figure


def draw_unlabelled(images: np.ndarray, guesses: np.ndarray, classes: list[str]) -> Figure:
    """Show the first unlabelled images with what is predicted."""
    chosen = np.arange(len(images))[:UNLABELLED]
    names = [short(classes[guess], 14) for guess in guesses[chosen]]
    figure = new_figure(height_of(len(chosen), columns=8, width=WIDTH, lines=1) + 0.3)
    axes = figure.subplots()
    draw_images(axes, images[chosen], names, columns=8, inverted=is_dark(images[chosen]))
    axes.set_title("The first unlabelled images, as the final model labels them")
    return figure


def draw_by_class(images: np.ndarray, guesses: np.ndarray, classes: list[str]) -> Figure:
    """Show the first twenty unlabelled images that are predicted as each class, a row a class."""
    dark = is_dark(images[:100])
    blank = np.full((1, *images.shape[1:]), 0 if dark else 255, np.uint8)
    rows = []
    for number in range(min(len(classes), CLASSES)):
        chosen = images[np.flatnonzero(guesses == number)[:PER_CLASS]]
        rows.append(np.concatenate([chosen, np.repeat(blank, PER_CLASS - len(chosen), axis=0)]))
    sheet = np.concatenate(rows)
    figure = new_figure(height_of(len(sheet), columns=PER_CLASS, width=WIDTH - 1.2) + 0.3)
    axes = figure.subplots()
    draw_images(axes, sheet, columns=PER_CLASS, rows=classes[:CLASSES], inverted=dark)
    axes.set_title("Twenty unlabelled images that the final model labels as each class")
    return figure


def draw_calibration(labels: np.ndarray, log_probabilities: np.ndarray, calibration: Mapping[str, Any]) -> Figure:
    """Draw accuracy against confidence on test images, without the temperature fitted on validation and with it."""
    figure = new_figure(3.4)
    panels = figure.subplots(1, 2, sharey=True)
    before = at_temperature(log_probabilities, 1 / calibration["temperature"])
    for axes, scores, when, title in (
        (panels[0], before, "before", "As the network gives it"),
        (panels[1], log_probabilities, "after", f"At temperature {calibration['temperature']:.2f}"),
    ):
        confidence, accuracy, share = reliability(labels, scores)
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=0.8)
        axes.vlines(confidence, confidence, accuracy, color=WRONG, linewidth=1)
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
    """Draw the accuracy on changed test images as bars; the line is at that on the images as they are."""
    figure = new_figure(0.22 * len(rows) + 0.8)
    axes = figure.subplots()
    names = [f"{row['change']} {row['amount']}".strip() for row in rows]
    values = [row["accuracy"] for row in rows]
    changes = list(dict.fromkeys(row["change"] for row in rows))
    shades = [
        FAINT if row["change"] == "none" else COLOURS[changes.index(row["change"]) % len(COLOURS)] for row in rows
    ]
    axes.barh(range(len(rows)), values, color=shades, height=0.75)
    for place, value in enumerate(values):
        label_bar(axes, value, place, f"{value:.1%}", fontsize=8)
    axes.axvline(values[0], color=INK, linestyle="--", linewidth=0.9)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x", color=PALE)
    axes.set_xlabel("accuracy of the final model")
    axes.set_title("Test images changed a little")
    return figure
