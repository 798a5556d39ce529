"""Read what the split stage wrote: the labelled images, their parts, and the rows of the table of samples."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from fashion.files import read_array
from fashion.images.parts import Part, any_member
from stages import paths


def read_images(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels: `labelled` or `test` of data/split, `labelled` of data/augmented."""
    return read_array(paths.images(folder, name)), np.asarray(read_array(paths.labels(folder, name)))


def read_parts() -> np.ndarray:
    """Read the parts of the labelled images: uint8 of members x N."""
    return np.asarray(read_array(paths.PARTS))


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of samples.csv in a folder, in the order of the images."""
    with (folder / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_test_samples() -> list[dict[str, Any]]:
    """Read the rows of the images in data/split/test_images.npy."""
    parts, samples = read_parts(), read_samples(paths.SPLIT)
    tested = any_member(parts, Part.TEST)
    return [samples[index] for index in tested] if len(tested) else samples[parts.shape[1] :]
