"""Find outputs that have changed on the disk behind DVC's back, so that they are made anew.

DVC takes a file for what it was as long as its size, inode and time of change are the same, and what lies in its cache
for what its name says. A bit that flips on a disk changes none of these.
"""

import copy
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc_data.hashfile.build import build
from dvc_data.hashfile.state import StateNoop
from rich.console import Console
from rich.progress import track

from abreast.checksums import md5

SUFFIX = ".damaged"


def set_aside(outs: Iterable[Any]) -> list[Path]:
    """Rename outputs that are damaged, delete what DVC's cache has of them if that is no better; give their paths.

    DVC then finds them missing: it takes them from its cache, or makes them anew. What it sees itself, such as a file
    that was edited, is left to it.
    """
    console = Console(stderr=True)
    shown = track(list(outs), "Reading all outputs", console=console, transient=True, disable=not console.is_terminal)
    damaged = [out for out in shown if trusts(out) and content(out) != out.hash_info]
    for out in damaged:
        place = Path(out.fs_path)
        aside = place.with_name(place.name + SUFFIX)
        if aside.is_dir():
            shutil.rmtree(aside)
        place.rename(aside)
        clear_cache(out)
    return [Path(out.def_path) for out in damaged]


def trusts(out: Any) -> bool:
    """Tell whether DVC takes the output for what its lock says: it remembers sums of files that look the same."""
    return out.hash_name == "md5" and out.exists and not out.changed_checksum()


def content(out: Any) -> Any:
    """Read an output and give its true checksum, as DVC writes it."""
    forgetful = copy.copy(out.cache)
    forgetful.state = StateNoop()  # else it would tell what it remembers
    _, _, found = build(forgetful, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore, dry_run=True)
    return found.hash_info


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
