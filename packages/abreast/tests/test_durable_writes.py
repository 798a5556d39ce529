"""dvc.lock after a write that fails at any system call, or that is followed by a loss of power."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abreast.dvc_api import atomic
from abreast.dvc_api.lock_file import set_entry
from abreast.dvc_api.reproduce import Reproducer

ENTRY = {"cmd": "true", "outs": [{"path": "b.txt", "hash": "md5", "md5": "0" * 32, "size": 1}]}
CALLS_OF_A_WRITE = ["open dvc.lock", "write", "fsync file", "rename", "open folder", "fsync folder"]


@contextmanager
def failing(number: int) -> Iterator[list[str]]:
    """Let calls from that number on (from 0) fail as on a full disk: open, write, fsync, rename. Gives the calls."""
    calls: list[str] = []
    real_io_open, real_os_open, real_fsync, real_replace = io.open, os.open, os.fsync, os.replace

    def count(call: str) -> None:
        calls.append(call)
        if len(calls) > number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class File(io.FileIO):
        def write(self, content: Any) -> int:
            try:
                count("write")
            except OSError:
                super().write(content[: len(content) // 2])
                raise
            return super().write(content)

    def io_open(place: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if not mode.startswith("w"):
            return real_io_open(place, mode, *arguments, **more)
        count("open " + Path(place).name[1:9])
        return io.BufferedWriter(File(place, "w"))

    def os_open(place: Any, *arguments: Any, **more: Any) -> int:
        count("open folder" if Path(place).is_dir() else "open")
        return real_os_open(place, *arguments, **more)

    def fsync(descriptor: int) -> None:
        count("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        real_fsync(descriptor)

    def replace(*places: Any) -> None:
        count("rename")
        real_replace(*places)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "FSYNC", True)
        patch.setattr(io, "open", io_open)
        patch.setattr(os, "open", os_open)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "replace", replace)
        yield calls


def add_entry(lock: Path) -> None:
    reproducer: Any = SimpleNamespace(name="b", entry_order={})
    with Reproducer.modify_yaml(reproducer, str(lock)) as data:
        data.setdefault("stages", {})["b"] = ENTRY


def test_a_lock_is_fsynced_before_its_rename_and_its_folder_after_it(tmp_path: Path) -> None:
    with failing(99) as calls:
        add_entry(tmp_path / "dvc.lock")
    assert calls == CALLS_OF_A_WRITE


@pytest.mark.parametrize("number", range(len(CALLS_OF_A_WRITE)), ids=CALLS_OF_A_WRITE)
def test_a_write_that_fails_leaves_the_old_lock_or_the_new_one_and_no_temporary_file(
    number: int, tmp_path: Path
) -> None:
    lock = tmp_path / "dvc.lock"
    old = set_entry("", "a", ENTRY, [])
    lock.write_text(old)
    with failing(number) as calls, pytest.raises(OSError, match="No space left"):
        add_entry(lock)
    assert calls[: number + 1] == CALLS_OF_A_WRITE[: number + 1]
    renamed = "rename" in calls[:number]
    assert lock.read_text() == (set_entry(old, "b", ENTRY, []) if renamed else old)
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.lock"]


def test_fsync_can_be_turned_off(tmp_path: Path) -> None:
    with failing(99) as calls, pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "FSYNC", False)
        add_entry(tmp_path / "dvc.lock")
    assert calls == ["open dvc.lock", "write", "rename"]
