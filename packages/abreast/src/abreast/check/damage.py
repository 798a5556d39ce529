"""Find damaged outputs: files that changed on disk without DVC noticing, such as by a flipped bit.

DVC trusts a file whose size, inode and modification time have not changed, and a cache file because of its name. A disk
error changes none of these.
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

FOLDER = Path(".dvc/tmp/abreast/damaged")  # no stage that reads a whole folder reads it there


def set_aside(outs: Iterable[Any]) -> list[Path]:
    """Move damaged outputs to `FOLDER`, delete damaged copies from DVC's cache, and return the outputs' paths.

    DVC then restores these outputs from its cache, or runs their stages again. An output that DVC itself takes as
    changed, such as an edited file, is not moved. AbreastError if an output can be neither read nor moved.

    >>> set_aside(stage.outs)
    [PosixPath('model.pt')]
    """
    from rich.console import Console  # a run that reads no outputs does not import it
    from rich.progress import track

    console = Console(stderr=True)
    outs = track(list(outs), "Reading all outputs", console=console, transient=True, disable=not console.is_terminal)
    try:
        damaged = [out for out in outs if is_unchanged_for_dvc(out) and not is_intact(out)]
        for out in damaged:
            move(Path(out.fs_path), Path(out.repo.root_dir) / FOLDER / out.def_path, out)
    except OSError as error:
        reason = error.strerror or error
        raise AbreastError(f"{error.filename or 'an output'}: {reason}; fix this and run again") from None
    return [Path(out.def_path) for out in damaged]


def move(path: Path, target: Path, out: Any) -> None:
    """Copy the output, clear the cache, delete the output: after an interruption, the next run repeats all steps."""
    remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError, shutil.Error):  # copy what the disk can still read
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
    remove_damaged_cache_files(out)
    remove(path)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_unchanged_for_dvc(out: Any) -> bool:
    """Tell whether DVC takes an output for the one in dvc.lock, by its record of file states."""
    return out.hash_name == "md5" and out.exists and not out.changed_checksum()


def is_intact(out: Any) -> bool:
    """Read an output, and compare its checksum with dvc.lock."""
    cache = copy.copy(out.cache)
    cache.state = StateNoop()  # with its record of file states, DVC would not read the file
    try:
        _, _, found = build(cache, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore, dry_run=True)
    except OSError as error:
        if error.errno == errno.EIO:  # the disk reports the damage
            return False
        raise
    return bool(found.hash_info == out.hash_info)


def remove_damaged_cache_files(out: Any) -> None:
    """Delete the files of an output from DVC's cache if their content does not match their name."""
    checksums = [out.hash_info.value]
    if out.hash_info.isdir:
        with suppress(OSError, ValueError, KeyError, TypeError):  # a damaged list of files is deleted below
            listing = Path(out.cache.oid_to_path(out.hash_info.value))
            checksums += [entry["md5"] for entry in json.loads(listing.read_bytes())]
    for checksum in checksums:
        path = Path(out.cache.oid_to_path(checksum))
        if path.is_file() and md5(path) != checksum.removesuffix(".dir"):
            path.unlink()
