"""Images as CSV tables: `train.csv` with pix1..pixN and label, `evaluate.csv` with ID and pix1..pixN.

Tables are read row by row, which keeps a byte of memory for each pixel, and takes as long as pandas does.
"""

import csv
import functools
import math
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import MOST_CLASSES, check_name

NUMBER = r"\s*\d{1,9}(\.0*)?\s*"  # what a class number may look like
LONGEST = 1_000_000  # characters of a line: images of 256 x 256 pixels have fewer
PIXEL = re.compile(r"pix[1-9][0-9]{0,5}")


@dataclass
class Table:
    """What lies in a table: the text of the key column, by row, or nothing; images, uint8 of N x side x side.

    lines: where each row begins in the file.
    """

    path: Path
    keys: list[str]
    images: np.ndarray
    lines: array

    def fault(self, row: int, column: str, what: str) -> InputError:
        return InputError(f"{self.path}: line {self.lines[row]}, column {column}: {what}")


def read_labelled(path: Path, classes: list[str] | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read images (uint8, N x side x side), labels (class numbers, N) and the names of the classes.

    classes: names, with which the labels must agree; None takes them from the labels, in the order of numbers if all
    are numbers, else of the alphabet. InputError names the line and column at fault.
    """
    table = read_table(path, key="label")
    labels = table.keys
    if "" in labels:
        raise table.fault(labels.index(""), "label", "empty; every image needs one")
    is_number = {label: bool(re.fullmatch(NUMBER, label)) for label in set(labels)}
    numeric = all(is_number.values())
    if classes is None:
        if numeric:
            labels = [str(int(float(label))) for label in labels]
        classes = sorted(set(labels), key=int if numeric else None)
        check_classes(table, labels, classes)
    elif numeric and not set(labels) <= set(classes):
        numbers = [int(float(label)) for label in labels]
        for row, number in enumerate(numbers):
            if number >= len(classes):
                raise table.fault(row, "label", f"{number} is not a known label; expected 0 to {len(classes) - 1}")
        return table.images, np.array(numbers), classes
    number_of = {name: number for number, name in enumerate(classes)}
    unknown = [label for label in labels if label not in number_of]
    if unknown:
        wrong = next((label for label in unknown if not is_number[label]), unknown[0])  # whatever the others may mean
        raise table.fault(
            labels.index(wrong),
            "label",
            f"{wrong[:40]!r} is not among the `classes` in params.yaml, "
            "nor are all labels numbers; add it there, or mend the label",
        )
    return table.images, np.array([number_of[label] for label in labels]), classes


def check_classes(table: Table, labels: list[str], classes: list[str]) -> None:
    """Require names that can be shown, at least two and not too many."""
    if not 2 <= len(classes) <= MOST_CLASSES:
        some = f"all labels are {classes[0][:40]!r}" if len(classes) == 1 else f"{len(classes):,} different labels"
        raise InputError(f"{table.path}: column label: {some}; a classifier tells 2 to {MOST_CLASSES:,} classes apart")
    for name in classes:
        try:
            check_name(name)
        except ValueError as error:
            raise table.fault(labels.index(name), "label", f"{name[:40]!r}: {error}") from None


def read_unlabelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images (uint8, N x side x side) and their IDs (text, N); InputError names the line and column at fault."""
    table = read_table(path, key="ID")
    seen: set[str] = set()
    for row, name in enumerate(table.keys):
        if name == "":
            raise table.fault(row, "ID", "empty; every image needs an ID")
        try:
            check_name(name)
        except ValueError as error:
            raise table.fault(row, "ID", f"{name[:40]!r}: {error}") from None
        if name in seen:
            raise table.fault(row, "ID", f"{name!r} stands there a second time; IDs must differ")
        seen.add(name)
    return table.images, np.array(table.keys, dtype=str)


def read_pixels(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read images (uint8, N x side x side) of a table with `ID`, `label` or neither; their IDs, or numbers from 0."""
    with opened(path) as rows:
        _, header = next(rows, (1, []))
    if "ID" in header:
        images, ids = read_unlabelled(path)
        return images, ids.tolist()
    images = read_table(path, key="label" if "label" in header else None).images
    return images, [str(number) for number in range(len(images))]


def read_table(path: Path, *, key: str | None) -> Table:
    """Read a CSV whose columns are `key`, if there is one, and pix1..pixN in any order."""
    keys, lines, pixels = [], array("Q"), bytearray()
    texts: dict[str, str] = {}  # each text once, however many rows have it
    with opened(path) as rows:
        _, header = next(rows, (1, []))
        names = check_columns(path, header, key)
        at = header.index(key) if key else None
        for line, row in rows:
            if len(row) > len(header):
                raise InputError(
                    f"{path}: line {line}: {len(row)} values for {len(header)} columns; remove the surplus"
                )
            row += [""] * (len(header) - len(row))
            if at is not None:
                text = row.pop(at)
                keys.append(texts.setdefault(text, text))
            lines.append(line)
            try:
                pixels += bytes(map(grey_level, row))
            except ValueError:
                raise InputError(f"{path}: line {line}, {first_fault(names, row)}") from None
    if not lines:
        raise InputError(f"{path}: no rows below the header; expected one for each image")
    side, order = math.isqrt(len(names)), np.argsort([int(name[3:]) for name in names])
    images = np.frombuffer(pixels, np.uint8).reshape(len(lines), len(names))
    if (np.diff(order) != 1).any():
        images = images[:, order]
    return Table(path, keys, images.reshape(-1, side, side), lines)


@contextmanager
def opened(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a table for its rows, each with the line it begins in; whatever is wrong with it becomes an InputError."""
    try:
        require_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield numbered(path, file)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; put it there, or set ingest.source in params.yaml. "
            "In a queued experiment only what `dvc add` tracks is there"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None


def numbered(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of a table with their lines."""
    reader, line = csv.reader(short_lines(path, file)), 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: line {line}: no row of a table ({error}); mend or remove it") from None


def short_lines(path: Path, file: TextIO) -> Iterator[str]:
    """Give the lines of a file, none of which may fill the memory."""
    number = 0
    while text := file.readline(LONGEST):
        number += 1
        if len(text) == LONGEST:
            raise InputError(
                f"{path}: line {number}: more than {LONGEST:,} characters; "
                "give images so large as files, with ingest.source: folder"
            )
        yield text


def check_columns(path: Path, header: list[str], key: str | None) -> list[str]:
    """Require `key`, if there is one, and pix1..pixN, each once, with N a square; give the pixels' as they stand."""
    wanted = " and ".join(filter(None, [key, "pix1..pixN"]))
    if not header:
        raise InputError(f"{path}: empty; expected a header of {wanted}, and a row for each image")
    if key and key not in header:
        raise InputError(f"{path}: column {key} is missing; expected {wanted}")
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise InputError(f"{path}: column {name[:40]} stands twice; remove one")
        if name != key and not PIXEL.fullmatch(name):
            raise InputError(f"{path}: column {name[:40]!r} is not one of {wanted}; remove it")
        seen.add(name)
    names = [name for name in header if name != key]
    if not names:
        raise InputError(f"{path}: no pixel columns; expected {wanted}")
    missing = next((number for number in range(1, len(names) + 1) if f"pix{number}" not in seen), None)
    if missing:
        last = max(int(name[3:]) for name in names)
        raise InputError(f"{path}: column pix{missing} is missing, though there is pix{last}; add it")
    if math.isqrt(len(names)) ** 2 != len(names):
        raise InputError(
            f"{path}: {len(names)} pixel columns are no square; in a table, images must be as high as wide "
            "(28x28 = 784); give others as files, with ingest.source: folder"
        )
    return names


@functools.lru_cache(1000)  # tables have few different cells
def grey_level(cell: str) -> int:
    """Read a cell; ValueError where it is not a whole number from 0 to 255."""
    try:
        value = float(cell if cell.isascii() and "_" not in cell else "none")
    except ValueError:
        value = math.nan
    if math.isnan(value):
        found = "empty" if not cell.strip() else f"{cell[:20]!r} is not a number"
        raise ValueError(f"{found}; expected a grey level from 0 to 255")
    if not 0 <= value <= 255 or value != int(value):
        raise ValueError(f"{value:g} is not a grey level; expected 0 to 255")
    return int(value)


def first_fault(names: list[str], cells: list[str]) -> str:
    """Say which of some cells is not a grey level, and why."""
    for name, cell in zip(names, cells, strict=True):
        try:
            grey_level(cell)
        except ValueError as error:
            return f"column {name}: {error}"
    raise AssertionError("all are")
