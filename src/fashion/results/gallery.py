"""Choose test images for the report and put them into one small PNG: mistakes, and examples of each pair of classes."""

from typing import Any

import numpy as np

from fashion.results.metrics import confusion_matrix, mistakes_by_confidence

COLUMNS = 32  # images in a row of the sprite sheet
MAX_PER_CELL = 24  # images for a pair of actual and predicted class, highest confidence first
MAX_MISTAKES = 60  # shown in the report, highest confidence first
MAX_SIDE = 64  # pixels of an image in the sprite sheet; larger ones are shrunk
MAX_BYTES = 1_500_000  # of the sprite sheet before it is compressed: to 200 KB in grey
GREY_LEVELS = 16  # in the sprite sheet
MAX_CLASSES = 30  # in the confusion matrix; of more classes, those with the most errors are shown


def most_confused_classes(counts: np.ndarray) -> np.ndarray:
    """Choose the classes with the most errors, from a confusion matrix; give their indices in ascending order."""
    errors = counts - np.diag(counts.diagonal())
    return np.sort(np.argsort(-(errors.sum(0) + errors.sum(1)), kind="stable")[:MAX_CLASSES])


def build_gallery(
    labels: np.ndarray, log_probabilities: np.ndarray, num_classes: int, image_bytes: int
) -> tuple[dict[str, Any], np.ndarray]:
    """Compute the confusion matrix of predictions, and choose images to show.

    image_bytes: of an image in the sheet.
    Returns a dict for JSON, and the indices of the chosen images in the order of the sprite sheet. In the dict, `cells`
    has a list of (position in the sheet, probability) for each "actual predicted" pair of class indices, and `gallery`
    the mistakes with the highest confidence.
    """
    predicted, confidence = log_probabilities.argmax(1), np.exp(log_probabilities.max(1).astype(np.float64))
    counts = confusion_matrix(labels, predicted, num_classes)
    shown = most_confused_classes(counts)
    mistakes = mistakes_by_confidence(labels, log_probabilities)
    by_confidence = np.argsort(-confidence, kind="stable")
    correct = by_confidence[(predicted == labels)[by_confidence]]
    positions: dict[int, int] = {index: position for position, index in enumerate(mistakes[:MAX_MISTAKES].tolist())}
    cells: dict[str, list[tuple[int, float]]] = {}
    for index in [*mistakes.tolist(), *correct.tolist()]:
        cell = cells.setdefault(f"{labels[index]} {predicted[index]}", [])
        fits = index in positions or (len(positions) + 1) * image_bytes <= MAX_BYTES
        if len(cell) < MAX_PER_CELL and fits and labels[index] in shown and predicted[index] in shown:
            cell.append((positions.setdefault(index, len(positions)), round(float(confidence[index]), 4)))
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
                "number": index,
                "actual": int(labels[index]),
                "predicted": int(predicted[index]),
                "confidence": confidence[index].item(),
            }
            for index in mistakes[:MAX_MISTAKES].tolist()
        ],
    }, np.array(list(positions), int)


def sprite_sheet(images: np.ndarray) -> np.ndarray:
    """Put uint8 images, N x C x H x W, into one image with `COLUMNS` of them in a row.

    Returns H x W of `GREY_LEVELS` grey levels for images of one channel, and H x W x 3 for colour.
    """
    count, channels, height, width = images.shape
    rows = max(1, -(-count // COLUMNS))
    tiles = np.zeros((rows * COLUMNS, channels, height, width), np.uint8)
    tiles[:count] = images
    sheet = tiles.reshape(rows, COLUMNS, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * height, COLUMNS * width, channels)
    if channels == 3:
        return sheet
    grey = (sheet[..., 0].astype(np.uint16) * (GREY_LEVELS - 1) + 127) // 255 * 255 // (GREY_LEVELS - 1)
    return grey.astype(np.uint8)
