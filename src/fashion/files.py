"""Write files whole or not at all: beside their place, then renamed into it. Tell files from what only looks so."""

import csv
import errno
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from fashion.errors import InputError

REMEDIES = {  # by what Python, safetensors and NumPy say; the last means that not all of an array was written
    os.strerror(errno.ENOSPC): "make room on its disk",
    os.strerror(errno.EDQUOT): "make room on its disk",
    " written": "make room on its disk",
    os.strerror(errno.EROFS): "take the project to a disk that can be written to",
    os.strerror(errno.EACCES): "give yourself the right to write there",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved onto it when the block ends and removed when it fails.

    InputError where the disk is full or not to be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except Exception as error:
        if remedy := next((remedy for said, remedy in REMEDIES.items() if said in str(error)), None):
            raise InputError(f"{path}: cannot be written; {remedy}, and run again") from None
        raise
    finally:
        with suppress(OSError):  # moved, or never there
            temporary.unlink()


def require_file(path: Path) -> None:
    """Raise OSError where there is no file to read: a pipe or a device may never end."""
    try:
        kind = path.stat().st_mode
    except ValueError:  # no file has a NUL in its name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "A pipe or a device, not a file", str(path))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy, without pickling."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_array_in_parts(path: Path, parts: Iterable[np.ndarray], *, shape: tuple[int, ...]) -> None:
    """Write bytes, a part after the other, as one array of `shape`, with one part in memory at a time."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part.data)


def read_array(path: Path) -> np.ndarray:
    """Map an .npy file into memory, read-only; pages are loaded as they are used."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and for `git diff`: indented, a key a line, newline at the end."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of equal keys as CSV, the keys as its header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line ends as given."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def with_section(text: str, name: str, content: str) -> str:
    """Give a page's text with `content` between its marks `<!-- NAME: ... -->` and `<!-- end of NAME -->`.

    ValueError where the page has no such marks.
    """
    marks = re.search(rf"(?P<begin><!-- {name}: [^\n]*-->\n).*(?P<end><!-- end of {name} -->)", text, re.DOTALL)
    if marks is None:
        raise ValueError(f"no marks of {name}")
    return text[: marks.end("begin")] + content + text[marks.start("end") :]
