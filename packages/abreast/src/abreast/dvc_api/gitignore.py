"""Add lines to .gitignore and remove them; all other bytes of the file stay as they are."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.scm import NoSCMError
from pathspec.patterns import GitWildMatchPattern
from scmrepo.exceptions import FileNotInRepoError
from scmrepo.git import Git

from abreast.dvc_api.atomic import write_whole
from abreast.dvc_api.lock_file import reorder


def new_ignore_lines(dvc_stages: Iterable[Any]) -> dict[str, list[str]]:
    """List the lines that stages will add to .gitignore files, in the order of the stages, by path of the file."""
    new: dict[str, list[str]] = defaultdict(list)
    for out in [out for stage in dvc_stages for out in stage.outs if out.use_scm_ignore]:
        with suppress(FileNotInRepoError, NoSCMError):  # outside of git there is no .gitignore
            pattern, file = out.repo.scm._get_gitignore(out.fs_path)
            line = GitWildMatchPattern.escape(pattern)
            if line.encode() not in read_lines(file):
                new[os.path.realpath(file)].append(line)
    return dict(new)


def add_ignore_line(pattern: str, file: str, order: Sequence[str]) -> None:
    """Add a line as DVC does, and bring new lines into `order`."""
    content = Path(file).read_bytes() if Path(file).exists() else b""
    content += b"" if content.endswith(b"\n") or not content else b"\n"
    lines = content.splitlines(keepends=True)
    line = f"{GitWildMatchPattern.escape(pattern)}\n".encode()
    if line not in lines:
        write_whole(file, b"".join(reorder([*lines, line], [f"{known}\n".encode() for known in order])))


def remove_ignore_line(scm: Git, path: str) -> str | None:
    """Remove the line for a path, and return the file that had it.

    scmrepo does the same, but takes every file for UTF-8 with Unix line ends.
    """
    pattern, file = scm._get_gitignore(path)
    lines = Path(file).read_bytes().splitlines(keepends=True) if Path(file).exists() else []
    kept = [line for line in lines if line.strip() != pattern.encode()]
    if len(kept) == len(lines):
        return None
    if kept:
        write_whole(file, b"".join(kept))
    else:
        Path(file).unlink()
    return str(file)


def read_lines(file: str) -> list[bytes]:
    return Path(file).read_bytes().splitlines() if Path(file).exists() else []
