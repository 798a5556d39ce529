"""Read images from CSV tables: `train.csv` with pix1..pixN and label, `evaluate.csv` with ID and pix1..pixN.

`numpy.loadtxt` reads the cells: 20,000 images of 28 x 28 pixels take 0.4 s; pandas takes 1 s and twice the memory.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import MAX_CLASSES, check_name

PIXEL = re.compile(r"pix[1-9][0-9]{0,5}")
CLASS_NUMBER = re.compile(r"\s*\d{1,9}(\.0*)?\s*")
MAX_LINE = 1_000_000  # characters; a line of 256 x 256 pixels has fewer

Columns = tuple[np.ndarray, str | None, list[str]]
"""Images (uint8, N x side x side), the name of the key column (`label`, `ID` or None), and its cells (N)."""


def read_labelled(path: Path, classes: list[str] | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read images (uint8, N x side x side), labels (class numbers, N) and the names of the classes.

    classes: the labels must be these names or their numbers; None takes the classes from the labels, sorted as numbers
    if all labels are numbers, else alphabetically. InputError names the line and column.
    """
    images, _, cells = read_table(path, key="label")
    labels = set(cells)
    numbers = {label: int(float(label)) for label in labels if CLASS_NUMBER.fullmatch(label)}
    all_numbers = len(numbers) == len(labels)
    if classes is None:
        names = {label: str(numbers[label]) if all_numbers else label for label in labels}
        classes = sorted(set(names.values()), key=int if all_numbers else None)
        if not 2 <= len(classes) <= MAX_CLASSES:
            found = f"all labels are {classes[0][:40]!r}" if len(classes) == 1 else f"{len(classes):,} different labels"
            raise InputError(f"{path}: column label: {found}; expected 2 to {MAX_CLASSES:,} classes")
        check_names(path, "label", cells, classes)
        class_numbers = {label: classes.index(name) for label, name in names.items()}
    elif all_numbers and not labels <= set(classes):
        class_numbers = {label: number for label, number in numbers.items() if number < len(classes)}
    else:
        class_numbers = {name: number for number, name in enumerate(classes)}
    if unknown := [label for label in cells if label not in class_numbers]:
        label = min(unknown, key=lambda label: label in numbers)  # prefer one that is not a number
        expected = f"expected names from `classes` in params.yaml, or only numbers from 0 to {len(classes) - 1}"
        raise error_at(path, cells.index(label), "label", f"unknown label {label[:40]!r}; {expected}")
    return images, np.array([class_numbers[label] for label in cells]), classes


def read_unlabelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images (uint8, N x side x side) and their IDs (text, N). InputError names the line and column."""
    images, _, ids = read_table(path, key="ID")
    return images, np.array(ids, dtype=str)


def read_pixels(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read images (uint8, N x side x side) and their IDs; without a column ID, number the images from 0."""
    images, key, cells = read_table(path, key=None)
    return images, cells if key == "ID" else [str(number) for number in range(len(images))]


def check_names(path: Path, key: str, cells: list[str], names: Iterable[str]) -> None:
    """Raise InputError for a cell that cannot name a class or an image."""
    for name in names:
        try:
            check_name(name)
        except ValueError as error:
            raise error_at(path, cells.index(name), key, f"{name[:40]!r}: {error}") from None


def error_at(path: Path, row: int, column: str, problem: str) -> InputError:
    """Make an InputError for a cell; row 0 is line 2 of the file."""
    return InputError(f"{path}: line {row + 2}, column {column}: {problem}")


def read_table(path: Path, *, key: str | None) -> Columns:
    """Read a table whose columns are `key` and pix1..pixN, in any order; None takes ID or label, if there is one."""
    try:
        require_file(path)
        images, key, cells = load_table(path, key)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; put it there, or set ingest.source in params.yaml. "
            "A queued experiment has only files that `dvc add` tracks"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None
    if key == "ID":
        check_names(path, key, cells, cells)
        name, count = Counter(cells).most_common(1)[0]
        if count > 1:
            row = cells.index(name, cells.index(name) + 1)
            raise error_at(path, row, key, f"duplicate ID {name!r}; IDs must differ")
    return images, key, cells


def check_lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the lines of a file. Each must be one row: neither blank, nor with a line break in quotes."""
    for number, line in enumerate(iter(partial(file.readline, MAX_LINE), ""), 1):
        if len(line) == MAX_LINE:
            raise InputError(f"{path}: line {number}: over {MAX_LINE:,} characters; set ingest.source to folder")
        if not line.strip():
            raise InputError(f"{path}: line {number}: blank; remove it")
        if line.count('"') % 2:
            raise InputError(f"{path}: line {number}: a quote is not closed in its line; close or remove it")
        yield line


def load_table(path: Path, key: str | None, *, floats: bool = False) -> Columns:
    """Read as `read_table`. floats: accept cells such as 255.0, which takes four times as long."""
    with path.open(encoding="utf-8-sig") as file:
        lines = check_lines(path, file)
        first_lines = list(islice(lines, 2))
        header = load_cells(first_lines[:1], dtype=object).tolist() if first_lines else []
        key = key or next((name for name in ("ID", "label") if name in header), None)
        pixels = check_columns(path, header, key)
        if len(first_lines) < 2:
            raise InputError(f"{path}: no rows below the header; expected one for each image")
        dtype = [(name, object if name == key else np.uint8) for name in header]
        converters = {number: to_integer for number, name in enumerate(header) if floats and name != key}
        try:
            rows = load_cells(chain(first_lines[1:], lines), dtype=dtype, converters=converters)
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            if not floats:
                return load_table(path, key, floats=True)
            raise InputError(f"{path}: {describe_error(error, header)}") from None
    side = math.isqrt(len(pixels))
    images = np.stack([rows[name] for name in pixels], axis=1).reshape(-1, side, side)
    return images, key, rows[key].tolist() if key else []


def load_cells(lines: Iterable[str], **options: Any) -> np.ndarray:
    return np.loadtxt(lines, delimiter=",", quotechar='"', comments=None, ndmin=1, **options)


@lru_cache(1000)
def to_integer(cell: str) -> int:
    """Read 255, 255.0 or 2.55e2."""
    if cell.isascii() and "_" not in cell and float(cell).is_integer():
        return int(float(cell))
    raise ValueError(cell)


def describe_error(error: ValueError, header: list[str]) -> str:
    """Say in which line and column `numpy.loadtxt` found an error."""
    if found := re.search(r"string (.*) to uint8 at row (\d+), column (\d+)", str(error)):
        cell, row, column = found.groups()
        problem = "empty" if cell == "''" else f"{cell[:40]} is not a grey level"
        return f"line {int(row) + 2}, column {header[int(column) - 1]}: {problem}; expected an integer from 0 to 255"
    if found := re.search(r"but (\d+) were found at row (\d+)", str(error)):
        return f"line {int(found[2]) + 1}: {len(header)} cells expected, {found[1]} found; add or remove cells"
    return str(error)


def check_columns(path: Path, header: list[str], key: str | None) -> list[str]:
    """Require `key`, if there is one, and pix1..pixN, each once, with N a square; return pix1..pixN."""
    keys, counts = [key] if key else [], Counter(header)
    pixels = [f"pix{number}" for number in range(1, len(header) - len(keys) + 1)]
    if not header:
        problem = "empty"
    elif unknown := [name for name in header if name != key and not PIXEL.fullmatch(name)]:
        problem = f"unknown column {unknown[0][:40]!r}"
    elif missing := [name for name in [*keys, *(pixels or ["pix1"])] if name not in counts]:
        name, count = counts.most_common(1)[0]
        problem = f"duplicate column {name}" if count > 1 else f"column {missing[0]} is missing"
    elif math.isqrt(len(pixels)) ** 2 != len(pixels):
        problem = f"{len(pixels)} pixels are not a square image; set ingest.source to folder for other shapes"
    else:
        return pixels
    raise InputError(f"{path}: {problem}; expected columns {' and '.join([*keys, 'pix1..pixN'])}")
