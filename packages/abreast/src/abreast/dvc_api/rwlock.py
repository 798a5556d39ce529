"""DVC's record of which process reads and writes which files: .dvc/tmp/rwlock.

Importing this module replaces DVC's functions that change the record.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dvc.lock
import dvc.rwlock
import psutil
from dvc.lock import LockError

from abreast.dvc_api.atomic import write_whole
from abreast.errors import AbreastError

BLOCKER = re.compile(r"\(PID (\d+)\): (.*)")  # in DVC's message on files that are busy
RECORDED_READS: set[str] = set()  # by this process
RECORDED_WRITES: set[str] = set()


@contextmanager
def edit_rwlock(folder: str, fs: Any, hardlink: bool) -> Iterator[dict[str, Any]]:  # noqa: ARG001 (as DVC calls it)
    """Let DVC change its record, and write it atomically.

    A record that is not valid JSON counts as empty: a killed `dvc repro` leaves one, and DVC itself refuses it.
    """
    path = Path(folder, dvc.rwlock.RWLOCK_FILE)
    guard = str(Path(folder, dvc.rwlock.RWLOCK_LOCK))
    with dvc.lock.make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink):
        try:
            record = dvc.rwlock.SCHEMA(json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError):
            record = {}
        record = {
            "read": defaultdict(list, record.get("read", {})),
            "write": defaultdict(dict, record.get("write", {})),
        }
        yield record
        write_whole(path, json.dumps(record).encode(), durable=False)  # no process outlives a loss of power


@contextmanager
def rwlock(folder: str, fs: Any, command: str, read: list[str], write: list[str], hardlink: bool) -> Iterator[None]:
    """Record what this process reads and writes, unless it is recorded: DVC asks for it ten times in one stage."""
    reads, writes = {*read} - RECORDED_READS - RECORDED_WRITES, {*write} - RECORDED_WRITES
    if not reads and not writes:
        yield
        return
    with dvc_rwlock(folder, fs, command, read, write, hardlink):
        RECORDED_READS.update(reads)
        RECORDED_WRITES.update(writes)
        try:
            yield
        finally:
            RECORDED_READS.difference_update(reads)
            RECORDED_WRITES.difference_update(writes)


dvc_rwlock, dvc.rwlock.rwlock, dvc.rwlock._edit_rwlock = dvc.rwlock.rwlock, rwlock, edit_rwlock


def blockers(error: LockError) -> list[tuple[int, str, str]]:
    """List the processes that use a stage's files, as (process id, command, file).

    AbreastError if the id of such a process now belongs to another program, as after a reboot.
    """
    found = [(int(pid), command, str(error).split("'")[1]) for pid, command in BLOCKER.findall(str(error))]
    for pid, command, file in found:
        if not is_running(pid, command):
            raise AbreastError(
                f".dvc/tmp/rwlock says that process {pid} (`{command}`) uses {file}; that process has ended, and its "
                f"id now belongs to {describe_process(pid)}: delete .dvc/tmp/rwlock while no DVC runs, and run again"
            )
    return found


def is_running(pid: int, command: str) -> bool:
    """Tell whether a process still runs this command line, and not another program with the same id."""
    try:
        command_line = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return psutil.pid_exists(pid)
    return all(word in command_line for word in command.split()[1:])


def describe_process(pid: str | int) -> str:
    """Name a process by its id and command line."""
    try:
        return f"{pid} (`{' '.join(psutil.Process(int(pid)).cmdline())[:80]}`)"
    except (psutil.Error, ValueError):
        return str(pid)
