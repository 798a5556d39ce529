"""The project as git has it, with what is not yet committed, packed for another machine."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Self

from abreast.errors import AbreastError

LARGEST = 100_000_000  # bytes of all files together


@dataclass(frozen=True)
class Snapshot:
    """files: of the project, from its root. place: of the project in the repository. content: a tar.gz of that."""

    files: frozenset[str]
    place: Path
    content: bytes

    @classmethod
    def of(cls, project: Path) -> Self:
        """Pack the last commit, changes to its files, and new files that git does not ignore.

        Stages may ask git for the commit: it is there, without those before it. Submodules are not. AbreastError where
        a file cannot be read, or git is not there.
        """
        try:
            return cls.packed(project)
        except (OSError, UnicodeError) as error:
            raise AbreastError(f"the project cannot be packed for workers: {error}") from None

    @classmethod
    def packed(cls, project: Path) -> Self:
        top = Path(git(project, "rev-parse", "--show-toplevel").strip())
        place = project.resolve().relative_to(top.resolve())
        listed = git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        files = {name for name in listed if name and os.path.lexists(top / name) and not is_folder(top / name)}
        check_size(top, files)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            git(top, "clone", "--quiet", "--depth", "1", "--no-tags", "--no-local", str(top), str(copy))
            for name in set(git(copy, "ls-files", "-z").split("\0")) - files - {""}:
                if not is_folder(copy / name):
                    (copy / name).unlink()
            for name in sorted(files):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).unlink(missing_ok=True)
                shutil.copy2(top / name, copy / name, follow_symlinks=False)
            packed = BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
                tar.add(copy, arcname=".")
        inside = {Path(name).relative_to(place).as_posix() for name in files if Path(name).is_relative_to(place)}
        return cls(frozenset(inside), place, packed.getvalue())


def is_folder(path: Path) -> bool:
    """Tell a folder, such as a submodule's, from a file and from a link to anything."""
    return path.is_dir() and not path.is_symlink()


def check_size(top: Path, files: set[str]) -> None:
    sizes = {name: (top / name).lstat().st_size for name in files}
    if sum(sizes.values()) > LARGEST:
        name, size = max(sizes.items(), key=lambda item: item[1])
        raise AbreastError(
            f"{top / name}: {size / 1e6:.0f} MB of {sum(sizes.values()) / 1e6:.0f} MB that each worker would get with "
            f"the code, {LARGEST / 1e6:.0f} at most: give large files to DVC, or to .gitignore"
        )


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise AbreastError(f"git {arguments[0]}: {message}; workers get the project from git")
    return done.stdout
