"""Pack the project for workers: the last git commit, with uncommitted changes, as a tar archive."""

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

MAX_BYTES = 100_000_000  # of all files together


@dataclass(frozen=True)
class Snapshot:
    """A packed project.

    files: of the project, from its root. place: the project's folder in the git repository. content: tar.gz of the
    repository.
    """

    files: frozenset[str]
    place: Path
    content: bytes

    @classmethod
    def of(cls, project: Path) -> Self:
        """Pack the last commit, changes to its files, and new files that git does not ignore.

        Stages may ask git for the commit; former commits and submodules are left out. AbreastError if a file cannot be
        read, or git fails.

        >>> Snapshot.of(Path(".")).place
        PosixPath('.')
        """
        try:
            return cls.pack(project)
        except (OSError, UnicodeError) as error:
            raise AbreastError(f"the project cannot be packed for workers: {error}") from None

    @classmethod
    def pack(cls, project: Path) -> Self:
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
            archive = BytesIO()
            with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
                tar.add(copy, arcname=".")
        inside = {Path(name).relative_to(place).as_posix() for name in files if Path(name).is_relative_to(place)}
        return cls(frozenset(inside), place, archive.getvalue())


def is_folder(path: Path) -> bool:
    """Tell a folder, such as a submodule, from a file and from a symbolic link."""
    return path.is_dir() and not path.is_symlink()


def check_size(top: Path, files: set[str]) -> None:
    sizes = {name: (top / name).lstat().st_size for name in files}
    total = sum(sizes.values())
    if total > MAX_BYTES:
        name, size = max(sizes.items(), key=lambda item: item[1])
        raise AbreastError(
            f"{top / name}: {size / 1e6:.0f} MB of {total / 1e6:.0f} MB that each worker would get with the code, "
            f"{MAX_BYTES / 1e6:.0f} at most: track large files with DVC, or add them to .gitignore"
        )


def git(folder: Path, *arguments: str) -> str:
    completed = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if completed.returncode:
        message = " ".join(completed.stderr.split()) or f"exit status {completed.returncode}"
        raise AbreastError(f"git {arguments[0]}: {message}; workers get the project from git")
    return completed.stdout
