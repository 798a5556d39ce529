"""Images as CSV tables: `train.csv` with pix1..pixN and label, `evaluate.csv` with ID and pix1..pixN."""

import csv
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from fashion.errors import InputError


def read_labelled(path: Path, *, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read images (uint8, N x side x side) and labels (uint8, N); InputError names the line and column at fault."""
    table = read_table(path, key="label", key_type=None)
    labels = whole_numbers(path, table[["label"]], highest=num_classes - 1, meaning="a known label")
    return images_of(path, table.drop(columns="label")), labels[:, 0]


def read_unlabelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images (uint8, N x side x side) and their IDs (text, N); InputError names the line and column at fault."""
    table = read_table(path, key="ID", key_type=str)
    ids = table["ID"]
    if ids.isna().any():
        raise InputError(f"{path}: line {line(ids.isna())}, column ID: empty; every image needs an ID")
    if ids.duplicated().any():
        at = line(ids.duplicated())
        raise InputError(
            f"{path}: line {at}, column ID: {ids.iloc[at - 2]!r} stands there a second time; IDs must differ"
        )
    return images_of(path, table.drop(columns="ID")), ids.to_numpy(dtype=str)


def read_table(path: Path, *, key: str, key_type: type | None) -> pd.DataFrame:
    """Read a CSV whose columns are `key` and pix1..pixN in any order; give the pixels in order."""
    options = {"encoding": "utf-8-sig", "skip_blank_lines": False, "index_col": False}
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            header = [str(name) for name in pd.read_csv(path, nrows=0, **options).columns]
            check_columns(path, header, key)
            types = {key: key_type} if key_type else None
            table = pd.read_csv(path, dtype=types, low_memory=False, **options)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; put it there, or set ingest.source to idx in params.yaml") from None
    except pd.errors.EmptyDataError:
        wanted = f"a header of {key} and pix1..pixN, and a row for each image"
        raise InputError(f"{path}: empty; expected {wanted}") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: {surplus(path) or ' '.join(str(error).split())}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if table.empty:
        raise InputError(f"{path}: no rows below the header; expected one for each image")
    pixels = [f"pix{number}" for number in range(1, len(header))]
    return table[[key, *pixels]]


def surplus(path: Path) -> str | None:
    """Find the first row with more values than there are columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        columns = len(next(rows))
        for row in rows:
            if len(row) > columns:
                return f"line {rows.line_num}: {len(row)} values for {columns} columns; remove the surplus"
    return None


def check_columns(path: Path, header: list[str], key: str) -> None:
    """Require `key` and pix1..pixN, each once, with N a square."""
    if key not in header:
        raise InputError(f"{path}: column {key} is missing; expected {key} and pix1..pixN")
    pixels = [int(name[3:]) for name in header if re.fullmatch(r"pix[1-9]\d*", name)]
    extra = [name for name in header if name != key and not re.fullmatch(r"pix[1-9]\d*", name)]
    if extra:
        # pandas names the second of two equal columns NAME.1
        twice = re.fullmatch(r"(.+)\.\d+", extra[0])
        if twice and twice[1] in header:
            raise InputError(f"{path}: column {twice[1]} stands twice; remove one")
        raise InputError(f"{path}: column {extra[0]!r} is not one of {key} and pix1..pixN; remove it")
    if not pixels:
        raise InputError(f"{path}: no pixel columns; expected pix1..pixN beside {key}")
    missing = sorted(set(range(1, max(pixels) + 1)) - set(pixels))
    if missing:
        raise InputError(f"{path}: column pix{missing[0]} is missing, though there is pix{max(pixels)}; add it")
    if math.isqrt(len(pixels)) ** 2 != len(pixels):
        raise InputError(
            f"{path}: {len(pixels)} pixel columns are no square; images must be as high as wide (28x28 = 784)"
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
            found = "empty" if pd.isna(cell) else f"{str(cell)[:20]!r} is not a number"
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
