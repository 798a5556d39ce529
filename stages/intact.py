"""Check what a stage reads against DVC's locks: what has changed on the disk unseen is found before it is used.

Nothing here can change what a stage writes, so no stage lists it as a dependency.
"""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zc.lockfile
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from abreast.check.checksums import md5
from abreast.errors import AbreastError
from fashion.errors import InputError

BUSY = Path(".dvc/tmp/lock")  # held by a process of DVC that may be writing a lock, which is not done in one go
PATIENCE = 5.0  # seconds to wait for it
LOOK = 0.05  # seconds between two tries


def check_what_is_read(stage: str, locks: Iterable[Path]) -> None:
    """From now on, raise InputError when this process opens a damaged output of another stage, and set it aside."""
    recorded = {path: sum_ for lock in locks for path, sum_ in outputs_in(lock, but=stage).items()}

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str) or not reads(*arguments[1:]):
            return
        path = Path(os.path.relpath(arguments[0]))
        for place in (path, *path.parents):  # the output may be a folder
            if checksum := recorded.pop(place, None):  # once is enough
                require_intact(place, checksum)

    if recorded:
        sys.addaudithook(look)


def reads(mode: str | None, flags: int) -> bool:
    return "r" in mode and "+" not in mode if mode else not flags & (os.O_WRONLY | os.O_RDWR)


def require_intact(path: Path, checksum: str) -> None:
    """Raise InputError for an output that is damaged, or gone: another stage that met it may have set it aside."""
    with suppress(OSError):
        if md5(path) == checksum:
            return
    from abreast.check.damage import FOLDER, set_aside  # these import DVC, which takes a second
    from abreast.dvc_api import Repo, faults

    try:
        with faults(), Repo(_wait_for_lock=True) as repo, repo.lock:
            outs = [out for one in repo.index.stages if one.cmd for out in one.outs if Path(out.def_path) == path]
            damaged = set_aside(outs)
    except AbreastError as error:
        raise InputError(str(error)) from None
    if damaged:
        raise InputError(f"{path}: damaged on the disk; set aside in {FOLDER}; run again to make it anew")
    if not path.exists():
        raise InputError(f"{path}: not there any more; run again to make it anew")


def outputs_in(lock: Path, but: str) -> dict[Path, str]:
    """Read which outputs a lock has, but those of one stage, and their MD5 sums."""
    try:
        content = YAML(typ="safe").load(undisturbed(lock))
        return {
            Path(out["path"]): out["md5"]
            for name, entry in content["stages"].items()
            for out in entry.get("outs", [])
            if name != but and "md5" in out
        }
    except (OSError, YAMLError, KeyError, TypeError, AttributeError):
        return {}  # DVC says what is wrong with it


def undisturbed(path: Path) -> str:
    """Read a file while no process of DVC may be writing it."""
    end = time.monotonic() + PATIENCE
    while BUSY.exists() and time.monotonic() < end:  # else its locks are hard links, which go
        with suppress(zc.lockfile.LockError):
            held = zc.lockfile.LockFile(str(BUSY))
            try:
                return path.read_text(encoding="utf-8")
            finally:
                held.close()
        time.sleep(LOOK)
    return path.read_text(encoding="utf-8")
