"""Prepare the confusion matrix and the images of the sprite sheet for the page."""

from collections.abc import Mapping
from typing import Any

from fashion.results.report.contents import Results

MAX_CLASSES = 12  # in the strip of images below the title


def matrix(results: Results) -> list[dict[str, Any]]:
    """List the rows of the confusion matrix: the actual class, its recall, and a cell for each predicted class.

    `share` of an error is relative to the largest number of errors in a cell, and 0 for what is right.
    """
    answers = results.answers
    classes, counts = answers["classes"], answers["counts"]
    largest = max((n for i, row in enumerate(counts) for j, n in enumerate(row) if i != j), default=0)
    return [
        {
            "actual": actual,
            "recall": row[number] / support if support else None,
            "cells": [
                {
                    "predicted": predicted,
                    "images": images,
                    "right": predicted == actual,
                    "share": 0.0 if predicted == actual else images / max(largest, 1),
                    "first": predicted != actual and images == largest,
                }
                for predicted, images in zip(classes, row, strict=True)
            ],
        }
        for number, (actual, row, support) in enumerate(zip(classes, counts, answers["support"], strict=True))
    ]


def first_cell(rows: list[dict[str, Any]]) -> tuple[int, int] | None:
    """Choose the cell that the Tab key reaches: the first with the most errors, else the first with images."""
    cells = [(row["actual"], cell) for row in rows for cell in row["cells"] if cell["images"]]
    cells.sort(key=lambda cell: not cell[1]["first"])
    return (cells[0][0], cells[0][1]["predicted"]) if cells else None


def sprite_position(answers: Mapping[str, Any], place: int) -> str:
    """Give the CSS position of an image in the sprite sheet.

    >>> sprite_position({"columns": 32, "rows": 3}, 33)
    '3.2258% 50.0000%'
    """
    row, column = divmod(place, answers["columns"])
    x, y = column / max(answers["columns"] - 1, 1), row / max(answers["rows"] - 1, 1)
    return f"{100 * x:.4f}% {100 * y:.4f}%"


def class_strip(results: Results) -> list[dict[str, Any]]:
    """Choose an image of each class, of at most `MAX_CLASSES`: one that is recognised, if the sheet has any."""
    cells = results.answers["cells"]
    strip = []
    for number, name in enumerate(results.classes):
        own = cells.get(f"{number} {number}") or next(
            (cell for pair, cell in cells.items() if pair.split()[0] == str(number)), None
        )
        if own:
            place = own[0][0]
            strip.append({"name": name, "place": place, "file": results.answers["files"][place]})
    return strip[:MAX_CLASSES]
