"""Read images from CSV tables: `train.csv` with pix1..pixN and label, `evaluate.csv` with ID and pix1..pixN.

Columns may also be pixel0.. or pixel1.., as in tables of MNIST on the web, or pix1_r, pix1_g, pix1_b.. for colour.

`numpy.loadtxt` reads the cells: 20,000 images of 28 x 28 pixels take 0.4 s; pandas takes 1 s and twice the memory.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice, product
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import MAX_CLASSES, check_name
from fashion.settings.frame import Frame

PIXEL = re.compile(r"(?P<word>pix(el)?)(0|[1-9][0-9]{0,5})(?P<channel>_[rgb])?")
CLASS_NUMBER = re.compile(r"\s*\d{1,9}(\.0*)?\s*")
MAX_HEADER = 3_000_000  # characters of the first line: names of 224 x 224 pixels in colour have up to 2.3 million
MAX_LINE = 1_000_000  # of any other line; levels of 224 x 224 pixels in colour have up to 0.9 million

Columns = tuple[np.ndarray, str | None, list[str]]
"""Images (uint8, N x C x H x W), the name of the key column (`label`, `ID` or None), and its cells (N)."""
Shape = Sequence[int] | Frame | None
"""What tells the shape of the images: height and width, or these and channels; the frame of a model that is to label
them; or, if None, the number of columns."""


def read_labelled(
    path: Path, classes: list[str] | None, shape: Sequence[int] | None = None, *, classes_from: str | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read images (uint8, N x C x H x W), labels (class numbers, N) and the names of the classes.

    classes: the labels must be these names or their numbers; None takes the classes from the labels, sorted as numbers
    if all labels are numbers, else alphabetically. shape: see `shape_of`. classes_from: the table whose labels are
    `classes`, which are then names only; None if they are those of params.yaml. InputError names the line and column.
    """
    images, _, cells = read_table(path, key="label", shape=shape)
    labels = set(cells)
    numbers = {label: int(float(label)) for label in labels if CLASS_NUMBER.fullmatch(label)}
    all_numbers = len(numbers) == len(labels)
    if classes is None:
        found_names = {label: str(numbers[label]) if all_numbers else label for label in labels}
        classes = sorted(set(found_names.values()), key=int if all_numbers else None)
        if not 2 <= len(classes) <= MAX_CLASSES:
            found = f"all labels are {classes[0][:40]!r}" if len(classes) == 1 else f"{len(classes):,} different labels"
            raise InputError(f"{path}: column label: {found}; expected 2 to {MAX_CLASSES:,} classes")
        check_names(path, "label", cells, classes)
        class_numbers = {label: classes.index(name) for label, name in found_names.items()}
    elif all_numbers and not labels <= set(classes):
        names = {label: classes.index(str(number)) for label, number in numbers.items() if str(number) in classes}
        positions = {label: number for label, number in numbers.items() if number < len(classes)}
        class_numbers = names if classes_from is not None or len(names) == len(numbers) else positions
    else:
        class_numbers = {name: number for number, name in enumerate(classes)}
    if unknown := [label for label in cells if label not in class_numbers]:
        label = min(unknown, key=lambda label: label in numbers)  # prefer one that is not a number
        expected = f"expected names from `classes` in params.yaml, or only numbers from 0 to {len(classes) - 1}"
        if classes_from is not None:
            expected = f"no class of {classes_from}; add images of it there, or remove its rows"
        raise error_at(path, cells.index(label), "label", f"unknown label {label[:40]!r}; {expected}")
    return images, np.array([class_numbers[label] for label in cells]), classes


def read_pixels(path: Path, shape: Shape = None) -> tuple[np.ndarray, list[str]]:
    """Read images (uint8, N x C x H x W) and their IDs; without a column ID, number the images from 0.

    A column `label` is ignored. shape: see `Shape`. InputError names the line and column.
    """
    images, key, cells = read_table(path, key=None, shape=shape)
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


def read_table(path: Path, *, key: str | None, shape: Shape) -> Columns:
    """Read a table whose columns are `key` and pixels, in any order; None takes ID or label, if there is one."""
    try:
        require_file(path)
        images, key, cells = load_table(path, key, shape)
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
    number, limit = 1, MAX_HEADER
    while line := file.readline(limit):
        if len(line) == limit:
            raise InputError(f"{path}: line {number}: over {limit:,} characters; set ingest.source to folder")
        if not line.strip():
            raise InputError(f"{path}: line {number}: blank; remove it")
        if line.count('"') % 2:
            raise InputError(f"{path}: line {number}: a quote is not closed in its line; close or remove it")
        yield line
        number, limit = number + 1, MAX_LINE


def load_table(path: Path, key: str | None, shape: Shape, *, floats: bool = False) -> Columns:
    """Read as `read_table`. floats: accept cells such as 255.0, which takes four times as long."""
    with path.open(encoding="utf-8-sig") as file:
        lines = check_lines(path, file)
        first_lines = list(islice(lines, 2))
        separator = max(",;\t", key=first_lines[0].count) if first_lines else ","
        header = load_cells(first_lines[:1], separator, dtype=object).tolist() if first_lines else []
        key = key or next((name for name in ("ID", "label") if name in header), None)
        pixels = check_columns(path, header, key)
        image_shape = shape_of(path, pixels, shape)
        if len(first_lines) < 2:
            raise InputError(f"{path}: no rows below the header; expected one for each image")
        dtype = [(name, object if name == key else np.uint8) for name in header]
        converters = {number: to_integer for number, name in enumerate(header) if floats and name != key}
        try:
            rows = load_cells(chain(first_lines[1:], lines), separator, dtype=dtype, converters=converters)
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            if not floats:
                return load_table(path, key, shape, floats=True)
            raise InputError(f"{path}: {describe_error(error, header)}") from None
    height, width, channels = image_shape
    images = np.stack([rows[name] for name in pixels], axis=1).reshape(-1, height, width, channels)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), key, rows[key].tolist() if key else []


def load_cells(lines: Iterable[str], separator: str, **options: Any) -> np.ndarray:
    return np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=1, **options)


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
    """Require `key`, if there is one, and one column for each pixel or each channel of it; return these in order."""
    keys, pixels, counts = [key] if key else [], [], Counter(header)
    names = [name for name in header if name != key]
    if not header:
        problem = "empty"
    elif unknown := [name for name in names if not PIXEL.fullmatch(name)]:
        problem = f"unknown column {unknown[0][:40]!r}"
    elif missing := [name for name in keys if name not in counts]:
        problem = f"column {missing[0]} is missing"
    else:
        pixels = expected_columns(names)
        missing = [name for name in pixels if name not in counts]
        name, count = counts.most_common(1)[0]
        if count == 1 and not missing and names:
            return pixels
        problem = f"duplicate column {name}" if count > 1 else f"column {[*missing, 'pix1'][0]} is missing"
    columns = " and ".join([*keys, "pix1..pixN (or pixel0.., or pix1_r, pix1_g, pix1_b..)"])
    optional = "" if keys else ", and ID or label if there are any"
    hint = ""
    if key == "label" and key not in counts and header:
        hint = "; a table of images to be labelled is evaluate.csv"
    raise InputError(
        f"{path}: {problem}; expected columns {columns}{optional}, separated by commas, semicolons or tabs{hint}"
    )


def expected_columns(names: Sequence[str]) -> list[str]:
    """Give the names that columns of pixels must have if they begin like the first of these.

    >>> expected_columns(["pix1_r", "pix1_b", "pix1_g"])
    ['pix1_r', 'pix1_g', 'pix1_b']
    """
    if not names:
        return []
    match = PIXEL.fullmatch(names[0])
    assert match is not None
    word, channels = match["word"], [f"_{channel}" for channel in "rgb"] if match["channel"] else [""]
    first = 0 if any(name in names for name in (f"{word}0", f"{word}0_r")) else 1
    count = -(-len(names) // len(channels))
    return [f"{word}{number}{channel}" for number in range(first, first + count) for channel in channels]


def shape_of(path: Path, pixels: Sequence[str], shape: Shape) -> tuple[int, int, int]:
    """Give height, width and channels of images with these columns.

    Without a shape, images are square, and in colour if the columns say so.
    """
    if isinstance(shape, Frame):
        return shape_like(path, pixels, shape)
    channels = 3 if pixels[0].endswith("_r") else 1
    if shape is None:
        side = math.isqrt(len(pixels) // channels)
        if side**2 * channels == len(pixels):
            return side, side, channels
        raise InputError(
            f"{path}: {len(pixels) // channels:,} pixels are not a square image; set ingest.shape in params.yaml to "
            "[height, width], or [height, width, 3] for colour: `make init SHAPE='28 56'`"
        )
    height, width, channels = (*shape, channels) if len(shape) == 2 else shape
    if height * width * channels != len(pixels):
        text = " x ".join(map(str, shape))
        raise InputError(
            f"{path}: {len(pixels):,} columns of pixels, but ingest.shape in params.yaml is {text}; correct it"
        )
    return height, width, channels


def shape_like(path: Path, pixels: Sequence[str], frame: Frame) -> tuple[int, int, int]:
    """Give height, width and channels of images to be labelled by a model with this frame.

    They have the proportions of the model's images, or are square. Unless the columns tell the channels, they may be
    grey or in colour: for a grey model, in colour only if no grey image fits. The first that fits the number of columns
    is taken.
    """
    ratios = frame.content_height / frame.content_width, 1
    if pixels[0].endswith("_r"):
        candidates = [*product(ratios, [3])]
    else:
        candidates = (
            [*product(ratios, [3, 1])] if frame.channels == 3 else [*product(ratios, [1]), *product(ratios, [3])]
        )
    for ratio, count in candidates:
        area = len(pixels) // count
        height = max(round(math.sqrt(area * ratio)), 1)
        width = area // height
        if height * width * count == len(pixels) and (ratio != 1 or height == width):
            return height, width, count
    raise InputError(
        f"{path}: {len(pixels):,} columns of pixels are neither a square image nor one of the model's proportions, "
        f"{frame.content_height}x{frame.content_width}; give the images as a .npy file, N x H x W or N x H x W x 3"
    )
