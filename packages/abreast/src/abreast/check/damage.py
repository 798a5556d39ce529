"""Find outputs that have changed on the disk behind DVC's back, so that they are made anew.

DVC takes a file for what it was as long as its size, inode and time of change are the same, and what lies in its cache
for what its name says. A bit that flips on a disk changes none of these.
"""

import copy
import errno
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from abreast.check.checksums import md5
from abreast.dvc_api import StateNoop, build
from abreast.errors import AbreastError

FOLDER = Path(".dvc/tmp/abreast/damaged")  # out of the way of stages that read whole folders


def set_aside(outs: Iterable[Any]) -> list[Path]:
    """Move outputs that are damaged into `FOLDER`, and delete what DVC's cache has of them if that is no better.

    DVC then finds them missing: it takes them from its cache, or makes them anew. What it sees itself, such as a file
    that was edited, is left to it. Gives their paths; AbreastError where one can be neither read nor moved.
    """
    from rich.console import Console  # not for a run that reads no outputs
    from rich.progress import track

    console = Console(stderr=True)
    shown = track(list(outs), "Reading all outputs", console=console, transient=True, disable=not console.is_terminal)
    try:
        damaged = [out for out in shown if trusts(out) and not sound(out)]
        for out in damaged:
            move(Path(out.fs_path), Path(out.repo.root_dir) / FOLDER / out.def_path, out)
    except OSError as error:
        reason = error.strerror or error
        raise AbreastError(f"{error.filename or 'an output'}: {reason}; mend that, and run again") from None
    return [Path(out.def_path) for out in damaged]


def move(place: Path, aside: Path, out: Any) -> None:
    """Copy, clear the cache, delete: broken off at any point, the next run does it again."""
    remove(aside)
    aside.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError, shutil.Error):  # as much as the disk still gives
        (shutil.copytree if place.is_dir() else shutil.copyfile)(place, aside)
    clear_cache(out)
    remove(place)


def remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def trusts(out: Any) -> bool:
    """Tell whether DVC takes the output for what its lock says: it remembers sums of files that look the same."""
    return out.hash_name == "md5" and out.exists and not out.changed_checksum()


def sound(out: Any) -> bool:
    """Read an output, and tell whether it is what DVC takes it for."""
    forgetful = copy.copy(out.cache)
    forgetful.state = StateNoop()  # else it would tell what it remembers
    try:
        _, _, found = build(forgetful, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore, dry_run=True)
    except OSError as error:
        if error.errno == errno.EIO:  # the disk itself has found it
            return False
        raise
    return bool(found.hash_info == out.hash_info)


def clear_cache(out: Any) -> None:
    """Delete from DVC's cache those files of an output that are not what their names say."""
    checksums = [out.hash_info.value]
    if out.hash_info.isdir:
        with suppress(OSError, ValueError, KeyError, TypeError):  # a list that is damaged is deleted below
            listing = Path(out.cache.oid_to_path(out.hash_info.value))
            checksums += [entry["md5"] for entry in json.loads(listing.read_bytes())]
    for checksum in checksums:
        path = Path(out.cache.oid_to_path(checksum))
        if path.is_file() and md5(path) != checksum.removesuffix(".dir"):
            path.unlink()
