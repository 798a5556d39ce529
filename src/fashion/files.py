"""Read and write files: atomic writes (temporary file, fsync, rename), arrays as .npy, JSON, CSV, text."""

import csv
import errno
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion.errors import InputError

REMEDIES = {  # by the text of the error: safetensors gives the text and no error number
    os.strerror(errno.ENOSPC): "make room on its disk",
    os.strerror(errno.EDQUOT): "make room on its disk",
    os.strerror(errno.EROFS): "take the project to a disk that can be written to",
    os.strerror(errno.EACCES): "give yourself the right to write there",
    os.strerror(errno.EIO): "check its disk, which reports an error",
}
CANNOT_SYNC = {errno.EACCES, errno.EBADF, errno.EINVAL}  # the platform cannot sync folders; PostgreSQL ignores them too


@contextmanager
def atomic_write(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename that file to `path` when the block ends.

        with atomic_write(Path("metrics/final.json")) as temporary:
            temporary.write_text("{}")

    The file is synced to the disk before the rename, and its folder after it. After a power cut, `path` is the old file
    or the new file, whole. FASHION_FSYNC=0 in the environment switches all syncs off, for tests: compare git's
    core.fsync and GIT_TEST_FSYNC.

    sync: False skips the syncs, for a file that has a checksum and may be lost, such as a checkpoint.
    If the block or the write fails, the temporary file is deleted and `path` keeps its content (only if the sync of the
    folder fails, it has the new content). InputError where the disk is full or faulty, or where writing is not allowed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    sync = sync and os.environ.get("FASHION_FSYNC") != "0"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if sync:
            sync_file(temporary)
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    except Exception as error:
        if remedy := next((remedy for reason, remedy in REMEDIES.items() if reason in str(error)), None):
            raise InputError(f"{path}: cannot be written; {remedy}, and run again") from None
        raise
    finally:
        with suppress(OSError):  # it was renamed, or never created
            temporary.unlink()


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with path.open("r+b") as file:  # Windows syncs only files that are open for writing
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; do nothing on Windows and file systems that cannot do this."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise


def require_file(path: Path) -> None:
    """Raise OSError unless `path` is a regular file: a pipe or a device may never end."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # no file has a NUL in its name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "A pipe or a device, not a file", str(path))


class Writer(NamedTuple):
    """An object with only a `write` method: NumPy writes to it through Python.

    Into a file object NumPy 2.4 writes with C's `fwrite` and ignores the result of `fclose`: on a full disk the array
    can lose its last bytes without an error.
    """

    write: Callable[[bytes], int]


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, without pickling."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(Writer(file.write), array, allow_pickle=False)


def write_array_in_parts(path: Path, parts: Iterable[np.ndarray], *, shape: tuple[int, ...]) -> None:
    """Write uint8 arrays one after another as one .npy array of `shape`, with one part in memory at a time."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part.data)


def read_array(path: Path) -> np.ndarray:
    """Map an .npy file into memory, read-only; a page is loaded when it is used."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_json(path: Path, value: Any) -> None:
    """Write JSON with one key per line and a newline at the end, which `git diff` shows well."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows as CSV. columns: the header; None takes the keys of the first row. All rows have them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, without changing its line ends."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def with_section(text: str, name: str, content: str) -> str:
    """Return a page's text with `content` between the marks `<!-- NAME: ... -->` and `<!-- end of NAME -->`.

    ValueError if the page has no such marks.
    """
    marks = re.search(rf"(?P<begin><!-- {name}: [^\n]*-->\n).*(?P<end><!-- end of {name} -->)", text, re.DOTALL)
    if marks is None:
        raise ValueError(f"no marks of {name}")
    return text[: marks.end("begin")] + content + text[marks.start("end") :]
