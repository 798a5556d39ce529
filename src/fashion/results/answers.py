"""The final model's answers on test images, small enough for git: what the report shows of them, and their images."""

from typing import Any

import numpy as np

COLUMNS = 32  # images in a row of the sheet
PER_CELL = 24  # images of a pair of actual and predicted class
GALLERY = 60  # mistakes
PIXELS = 1_500_000  # in the sheet at most, so that it takes 200 KB or less
LEVELS = 16  # grey levels in it
CLASSES = 30  # in a confusion matrix at most: of more, those that are confused most


def confusion_matrix(labels: np.ndarray, guesses: np.ndarray, classes: int) -> np.ndarray:
    """Count the images of each actual class (rows) taken for each class (columns)."""
    return np.bincount(labels.astype(np.int64) * classes + guesses, minlength=classes**2).reshape(classes, classes)


def confused_most(counts: np.ndarray) -> np.ndarray:
    """Choose the classes of a confusion matrix that are shown, in their order."""
    wrong = counts - np.diag(counts.diagonal())
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:CLASSES])


def mistakes(labels: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """Give the numbers of the images that are taken for another class, in an order drawn by chance."""
    return np.random.default_rng(0).permutation(np.flatnonzero(labels != guesses))


def gather(labels: np.ndarray, guesses: np.ndarray, classes: int, pixels: int) -> tuple[dict[str, Any], np.ndarray]:
    """Count which classes are taken for which; choose images of each pair to show.

    pixels: of an image. Gives what JSON can say, and the numbers of the chosen images, in the order of their sheet:
    `cells` has, for "actual predicted", places in the sheet, and `gallery` some mistakes.
    """
    counts = confusion_matrix(labels, guesses, classes)
    shown = confused_most(counts)
    wrong = mistakes(labels, guesses)
    places: dict[int, int] = {number: place for place, number in enumerate(wrong[:GALLERY].tolist())}
    cells: dict[str, list[int]] = {}
    for number in [*wrong.tolist(), *np.flatnonzero(labels == guesses).tolist()]:
        cell = cells.setdefault(f"{labels[number]} {guesses[number]}", [])
        room = number in places or (len(places) + 1) * pixels <= PIXELS
        if len(cell) < PER_CELL and room and labels[number] in shown and guesses[number] in shown:
            cell.append(places.setdefault(number, len(places)))
    return {
        "images": len(labels),
        "mistakes": len(wrong),
        "classes": shown.tolist(),
        "counts": counts[np.ix_(shown, shown)].tolist(),
        "support": counts.sum(1)[shown].tolist(),
        "columns": COLUMNS,
        "cells": {pair: cell for pair, cell in cells.items() if cell},
        "gallery": [
            {"number": number, "actual": int(labels[number]), "guess": int(guesses[number])}
            for number in wrong[:GALLERY].tolist()
        ],
    }, np.array(list(places), int)


def sheet_of(images: np.ndarray, *, inverted: bool) -> np.ndarray:
    """Put uint8 images of N x H x W into rows of 32, as one image of 16 grey levels."""
    number, height, width = images.shape
    rows = max(1, -(-number // COLUMNS))
    sheet = np.zeros((rows * COLUMNS, height, width), np.uint8)
    sheet[:number] = 255 - images if inverted else images
    sheet = (sheet.astype(np.uint16) * (LEVELS - 1) + 127) // 255 * 255 // (LEVELS - 1)
    return sheet.astype(np.uint8).reshape(rows, COLUMNS, height, width).swapaxes(1, 2).reshape(rows * height, -1)
