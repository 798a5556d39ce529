"""The final model's answers on test images, small enough for git: what the report shows of them, and their images."""

from typing import Any

import numpy as np

from fashion.results.scores import at_temperature, confusion_matrix, most_confident_mistakes, reliability

COLUMNS = 32  # images in a row of the sheet
PER_CELL = 24  # images of a pair of actual and predicted class, the surest first
GALLERY = 60  # of the surest mistakes
PIXELS = 1_500_000  # in the sheet at most, so that it takes 200 KB or less
LEVELS = 16  # grey levels in it
CLASSES = 30  # in the confusion matrix at most: of more, those that are confused most


def confused_most(counts: np.ndarray) -> np.ndarray:
    """Choose the classes of a confusion matrix that are shown, in their order."""
    wrong = counts - np.diag(counts.diagonal())
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:CLASSES])


def gather(
    labels: np.ndarray, log_probabilities: np.ndarray, temperature: float, classes: int, pixels: int
) -> tuple[dict[str, Any], np.ndarray]:
    """Count which classes are taken for which and how sure the answers are; choose images of each pair to show.

    temperature: that of the answers. pixels: of an image. Gives what JSON can say, and the numbers of the chosen
    images, in the order of their sheet: `cells` has, for "actual predicted", pairs of place in the sheet and
    probability, and `gallery` the surest mistakes.
    """
    guesses, sure = log_probabilities.argmax(1), np.exp(log_probabilities.max(1).astype(np.float64))
    counts = confusion_matrix(labels, guesses, classes)
    shown = confused_most(counts)
    mistakes = most_confident_mistakes(labels, log_probabilities)
    by_confidence = np.argsort(-sure, kind="stable")
    right = by_confidence[(guesses == labels)[by_confidence]]
    places: dict[int, int] = {number: place for place, number in enumerate(mistakes[:GALLERY].tolist())}
    cells: dict[str, list[tuple[int, float]]] = {}
    for number in [*mistakes.tolist(), *right.tolist()]:
        cell = cells.setdefault(f"{labels[number]} {guesses[number]}", [])
        room = number in places or (len(places) + 1) * pixels <= PIXELS
        if len(cell) < PER_CELL and room and labels[number] in shown and guesses[number] in shown:
            cell.append((places.setdefault(number, len(places)), round(float(sure[number]), 4)))
    return {
        "images": len(labels),
        "mistakes": len(mistakes),
        "classes": shown.tolist(),
        "counts": counts[np.ix_(shown, shown)].tolist(),
        "support": counts.sum(1)[shown].tolist(),
        "columns": COLUMNS,
        "cells": {pair: cell for pair, cell in cells.items() if cell},
        "gallery": [
            {
                "number": number,
                "actual": int(labels[number]),
                "guess": int(guesses[number]),
                "sure": sure[number].item(),
            }
            for number in mistakes[:GALLERY].tolist()
        ],
        "reliability": {
            "before": bins(labels, at_temperature(log_probabilities, 1 / temperature)),
            "after": bins(labels, log_probabilities),
        },
    }, np.array(list(places), int)


def bins(labels: np.ndarray, log_probabilities: np.ndarray) -> list[dict[str, float]]:
    """Give confidence, accuracy and number of images of each bin of confidence."""
    parts = (part.tolist() for part in reliability(labels, log_probabilities))
    return [
        {"confidence": confidence, "accuracy": accuracy, "images": round(share * len(labels))}
        for confidence, accuracy, share in zip(*parts, strict=True)
    ]


def sheet_of(images: np.ndarray, *, inverted: bool) -> np.ndarray:
    """Put uint8 images of N x H x W into rows of 32, as one image of 16 grey levels."""
    number, height, width = images.shape
    rows = max(1, -(-number // COLUMNS))
    sheet = np.zeros((rows * COLUMNS, height, width), np.uint8)
    sheet[:number] = 255 - images if inverted else images
    sheet = (sheet.astype(np.uint16) * (LEVELS - 1) + 127) // 255 * 255 // (LEVELS - 1)
    return sheet.astype(np.uint8).reshape(rows, COLUMNS, height, width).swapaxes(1, 2).reshape(rows * height, -1)
