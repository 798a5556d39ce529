"""Images as CSV tables: `train.csv` with pix1..pixN and label, `evaluate.csv` with ID and pix1..pixN."""

import csv
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from fashion.errors import InputError
from fashion.settings.fields import MOST_CLASSES, check_class_name

NUMBER = r"\s*\d{1,9}(\.0*)?\s*"  # what a class number may look like


def read_labelled(path: Path, classes: list[str] | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read images (uint8, N x side x side), labels (class numbers, N) and the names of the classes.

    classes: names, with which the labels must agree; None takes them from the labels, in the order of numbers if all
    are numbers, else of the alphabet. InputError names the line and column at fault.
    """
    table = read_table(path, key="label")
    labels = table["label"].fillna("")
    if (labels == "").any():
        raise InputError(f"{path}: line {line(labels == '')}, column label: empty; every image needs one")
    numeric = bool(labels.str.fullmatch(NUMBER).all())
    if classes is None:
        if numeric:
            labels = labels.astype(float).astype(int).astype(str)
        classes = sorted(set(labels), key=int if numeric else None)
        check_classes(path, labels, classes)
    elif numeric and not labels.isin(classes).all():
        table["label"] = labels.astype(float)
        numbers = whole_numbers(path, table[["label"]], highest=len(classes) - 1, meaning="a known label")
        return images_of(path, table.drop(columns="label")), numbers[:, 0], classes
    number_of = {name: number for number, name in enumerate(classes)}
    numbers = labels.map(number_of)
    if numbers.isna().any():
        neither = numbers.isna() & ~labels.str.fullmatch(NUMBER)  # what is wrong, whatever the others are meant to be
        at = line(neither if neither.any() else numbers.isna())
        raise InputError(
            f"{path}: line {at}, column label: {labels.iloc[at - 2][:40]!r} is not among the `classes` in params.yaml, "
            "nor are all labels numbers; add it there, or mend the label"
        )
    return images_of(path, table.drop(columns="label")), numbers.to_numpy(int), classes


def check_classes(path: Path, labels: pd.Series, classes: list[str]) -> None:
    """Require names that can be shown, at least two and not too many."""
    for name in classes:
        try:
            check_class_name(name)
        except ValueError as error:
            raise InputError(f"{path}: line {line(labels == name)}, column label: {name[:40]!r}: {error}") from None
    if not 2 <= len(classes) <= MOST_CLASSES:
        some = f"all labels are {classes[0][:40]!r}" if len(classes) == 1 else f"{len(classes):,} different labels"
        raise InputError(f"{path}: column label: {some}; a classifier tells 2 to {MOST_CLASSES:,} classes apart")


def read_unlabelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images (uint8, N x side x side) and their IDs (text, N); InputError names the line and column at fault."""
    table = read_table(path, key="ID")
    ids = table["ID"].fillna("")
    if (ids == "").any():
        raise InputError(f"{path}: line {line(ids == '')}, column ID: empty; every image needs an ID")
    if ids.duplicated().any():
        at = line(ids.duplicated())
        raise InputError(
            f"{path}: line {at}, column ID: {ids.iloc[at - 2]!r} stands there a second time; IDs must differ"
        )
    return images_of(path, table.drop(columns="ID")), ids.to_numpy(dtype=str)


def read_pixels(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read images (uint8, N x side x side) of a table with `ID`, `label` or neither; their IDs, or numbers from 0."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        header = ["ID"]  # what is wrong is said below
    if "ID" in header:
        images, ids = read_unlabelled(path)
        return images, ids.tolist()
    key = "label" if "label" in header else None
    images = images_of(path, read_table(path, key=key).drop(columns=key or []))
    return images, [str(number) for number in range(len(images))]


def read_table(path: Path, *, key: str | None) -> pd.DataFrame:
    """Read a CSV whose columns are `key`, as text, and pix1..pixN in any order; give the pixels in order."""
    keys = [key] if key else []
    options = {"encoding": "utf-8-sig", "skip_blank_lines": False, "index_col": False}
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            header = [str(name) for name in pd.read_csv(path, nrows=0, **options).columns]
            check_columns(path, header, keys)
            # NA and null are text like any other.
            table = pd.read_csv(
                path, dtype=dict.fromkeys(keys, str), low_memory=False, keep_default_na=False, **options
            )
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; put it there, or set ingest.source in params.yaml. "
            "In a queued experiment only what `dvc add` tracks is there"
        ) from None
    except pd.errors.EmptyDataError:
        wanted = f"a header of {' and '.join([*keys, 'pix1..pixN'])}, and a row for each image"
        raise InputError(f"{path}: empty; expected {wanted}") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: {surplus(path) or ' '.join(str(error).split())}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if table.empty:
        raise InputError(f"{path}: no rows below the header; expected one for each image")
    pixels = [f"pix{number}" for number in range(1, len(header) - len(keys) + 1)]
    return table[[*keys, *pixels]]


def surplus(path: Path) -> str | None:
    """Find the first row with more values than there are columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        columns = len(next(rows))
        for row in rows:
            if len(row) > columns:
                return f"line {rows.line_num}: {len(row)} values for {columns} columns; remove the surplus"
    return None


def check_columns(path: Path, header: list[str], keys: list[str]) -> None:
    """Require `keys` and pix1..pixN, each once, with N a square."""
    wanted = " and ".join([*keys, "pix1..pixN"])
    for key in keys:
        if key not in header:
            raise InputError(f"{path}: column {key} is missing; expected {wanted}")
    pixels = [int(name[3:]) for name in header if re.fullmatch(r"pix[1-9]\d*", name)]
    extra = [name for name in header if name not in keys and not re.fullmatch(r"pix[1-9]\d*", name)]
    if extra:
        # pandas names the second of two equal columns NAME.1
        twice = re.fullmatch(r"(.+)\.\d+", extra[0])
        if twice and twice[1] in header:
            raise InputError(f"{path}: column {twice[1]} stands twice; remove one")
        raise InputError(f"{path}: column {extra[0]!r} is not one of {wanted}; remove it")
    if not pixels:
        raise InputError(f"{path}: no pixel columns; expected {wanted}")
    missing = sorted(set(range(1, max(pixels) + 1)) - set(pixels))
    if missing:
        raise InputError(f"{path}: column pix{missing[0]} is missing, though there is pix{max(pixels)}; add it")
    if math.isqrt(len(pixels)) ** 2 != len(pixels):
        raise InputError(
            f"{path}: {len(pixels)} pixel columns are no square; in a table, images must be as high as wide "
            "(28x28 = 784); give others as files, with ingest.source: folder"
        )


def images_of(path: Path, pixels: pd.DataFrame) -> np.ndarray:
    """Turn pixel columns into uint8 images of N x side x side."""
    side = math.isqrt(pixels.shape[1])
    return whole_numbers(path, pixels, highest=255, meaning="a grey level").reshape(-1, side, side)


def whole_numbers(path: Path, table: pd.DataFrame, *, highest: int, meaning: str) -> np.ndarray:
    """Turn columns into uint8; InputError names the first cell that is not a whole number from 0 to `highest`."""
    columns = {}
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            continue
        text = column.astype(object)
        numbers = pd.to_numeric(text.map(lambda cell: None if isinstance(cell, bool) else cell), errors="coerce")
        if numbers.isna().any():
            at = line(numbers.isna())
            cell = text.iloc[at - 2]
            found = "empty" if pd.isna(cell) or cell == "" else f"{str(cell)[:20]!r} is not a number"
            raise InputError(f"{path}: line {at}, column {name}: {found}; expected {meaning} from 0 to {highest}")
        columns[name] = numbers.astype(float)
    values = table.assign(**columns).to_numpy()
    good = (values >= 0) & (values <= highest) & (values == np.floor(values))
    if not good.all():
        row, at_column = np.argwhere(~good)[0]
        value = values[row, at_column]
        found = "empty" if np.isnan(value) else f"{value:g} is not {meaning}"
        raise InputError(f"{path}: line {row + 2}, column {table.columns[at_column]}: {found}; expected 0 to {highest}")
    return values.astype(np.uint8)


def line(wrong: pd.Series) -> int:
    """Give the line in the file of the first row marked, the header being line 1."""
    return int(np.flatnonzero(wrong.to_numpy())[0]) + 2
