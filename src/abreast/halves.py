"""Mend what DVC leaves half-written when it is killed while it writes, in place: its note of processes, and its lock.

A half of the one stops every later run. A half of the other does, too, or it parses and has lost entries, or has a
wrong one.
"""

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import zc.lockfile
from dvc.utils import parse_target
from dvc.utils.serialize import ParseError, parse_yaml

from abreast.errors import AbreastError
from abreast.order import replace

HEAD = "schema: '2.0'\nstages:\n"  # of a lock
ENTRY = re.compile(r"^  \S", re.MULTILINE)  # where one begins below it


def delete_half_notes(path: Path) -> None:
    """Delete DVC's note of which process reads or writes what, if it does not parse.

    No process can go by it any more, and every one that starts would end.
    """
    if not Path(f"{path}.lock").exists():
        return  # DVC's locks are hard links, by `core.hardlink_lock`, and go; one of ours would stay and be in the way
    with suppress(OSError, zc.lockfile.LockError):  # there is none, or a process of DVC is writing it
        held = zc.lockfile.LockFile(f"{path}.lock")
        try:
            json.loads(path.read_bytes())
        except ValueError:
            path.unlink()
        finally:
            held.close()


def half_locks(targets: list[str]) -> list[Path]:
    """List the locks beside the dvc.yaml files that targets name which are the beginning of one."""
    files = {Path(parse_target(target)[0] or "dvc.yaml") for target in targets or ["dvc.yaml"]}
    locks = sorted(file.with_suffix(".lock") for file in files if file.name == "dvc.yaml")
    return [lock for lock in locks if lock.is_file() and is_half(read(lock))]


def read(lock: Path) -> str:
    return lock.read_bytes().decode(errors="replace")  # it may end within a letter


def is_half(text: str) -> bool:
    """Tell whether a text is the beginning of a lock, broken off; one with conflicts of a merge, say, is not."""
    if not text.startswith(HEAD):
        return HEAD.startswith(text)
    entries = text[len(HEAD) :]
    return not re.search(r"^\S", entries, re.MULTILINE) and not ends_whole(entries)


def ends_whole(entries: str) -> bool:
    """Tell whether the last entry is all there: else it ends within a line, or DVC would have written another one."""
    if not entries.endswith("\n"):
        return False
    try:
        (last,) = parse_yaml(HEAD + last_of(entries), "dvc.lock")["stages"].values()
        files = [file for group in ("deps", "outs") for file in last.get(group, [])]
    except (ParseError, ValueError, TypeError, AttributeError):
        return False
    return "cmd" in last and all(map(described, files[-1:]))


def described(file: dict[str, Any]) -> bool:
    """Tell whether all is there that DVC writes of a file or folder with a checksum."""
    if "md5" not in file:
        return "hash" not in file
    return "size" in file and ("nfiles" in file or not str(file["md5"]).endswith(".dir"))


def last_of(entries: str) -> str:
    places = [match.start() for match in ENTRY.finditer(entries)]
    return entries[places[-1] :] if places else ""


def mend(lock: Path, aside: Path) -> None:
    """Take the last entry off the half of a lock, delete it where none is left, and keep a copy of it as it was."""
    text = read(lock)
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(lock, aside)
        whole = text.removesuffix(last_of(text[len(HEAD) :]))
        if whole.count("\n") > HEAD.count("\n"):
            replace(lock, whole)
        else:
            lock.unlink()
    except OSError as error:
        raise AbreastError(f"{error.filename or lock}: {error.strerror or error}; mend that, and run again") from None
