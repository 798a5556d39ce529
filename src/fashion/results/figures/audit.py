"""Draw copies and faulty images, each with its file."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from fashion.results.figures.image_grid import image_figure
from fashion.results.figures.style import legible_names, shorten, shorten_start


class Images(Protocol):
    """Images, C x H x W, by their files."""

    def __getitem__(self, file: str) -> np.ndarray: ...


COLUMNS = 8
MAX_PAIRS = 24
MAX_IMAGES = 32


def draw_copies(images: Images, rows: Sequence[Mapping[str, str]]) -> Figure:
    """Draw the first pairs of copies side by side: rows of data/audit/copies.csv."""
    shown = rows[:MAX_PAIRS]
    drawn, classes, parts, files, remarks = [], [], [], [], []
    for row in shown:
        alike = "the same" if float(row["correlation"]) == 1 else f"correlation {row['correlation']}"
        for prefix, remark in (("", row["problem"]), ("other_", alike)):
            drawn.append(images[row[f"{prefix}file"]])
            classes.append(row[f"{prefix}class"])
            parts.append(row[f"{prefix}part"])
            files.append(row[f"{prefix}file"])
            remarks.append(remark)
    title = f"The first {len(shown)} of {len(rows):,} pairs of copies" if rows else "No copies were found"
    return image_figure(np.array(drawn), captions(classes, parts, files, remarks), columns=COLUMNS, title=title)


def draw_faults(images: Images, rows: Sequence[Mapping[str, str]]) -> Figure:
    """Draw the first images that look faulty: rows of data/audit/images.csv."""
    shown = rows[:MAX_IMAGES]
    drawn = np.array([images[row["file"]] for row in shown])
    columns = ([row[key] for row in shown] for key in ("class", "part", "file", "problem"))
    title = f"The first {len(shown)} of {len(rows):,} images that look faulty" if rows else "No image looks faulty"
    return image_figure(drawn, captions(*columns), columns=COLUMNS, title=title)


def draw_labels(images: np.ndarray, rows: Sequence[Mapping[str, str]]) -> Figure:
    """Draw images whose labels are probably wrong: the first of the rows of data/audit/labels.csv."""
    labels, likelier = ([row[key] for row in rows[: len(images)]] for key in ("label", "likelier_label"))
    names = legible_names([shorten(name) for name in likelier], "class")
    files = [row["file"] for row in rows]
    title = (
        f"The first {len(images)} of {len(rows):,} labels that are probably wrong" if rows else "No label is suspected"
    )
    texts = captions(
        labels,
        [f"rather {name}" for name in names],
        files[: len(images)],
        [row["score"] for row in rows[: len(images)]],
    )
    return image_figure(images, texts, columns=COLUMNS, title=title)


def captions(classes: Sequence[str], parts: Sequence[str], files: Sequence[str], remarks: Sequence[str]) -> list[str]:
    """Make a caption of each image: its class, unless it is to be labelled, its part, its file and a remark."""
    names = legible_names([shorten(name) for name in classes], "class")
    short = legible_names([shorten_start(PurePosixPath(file).name, 18) for file in files], "image")
    return [
        "\n".join([*([name] if name else []), part, file, remark])
        for name, part, file, remark in zip(names, parts, short, remarks, strict=True)
    ]
