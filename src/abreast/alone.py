"""One run at a time in a project: two would overwrite each other's logs, and run the same stages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zc.lockfile
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo

from abreast.errors import AbreastError


@contextmanager
def alone() -> Iterator[None]:
    """Hold the project's lock of runs, which ends with this process however it does.

    AbreastError where another run holds it, or where there is no project.
    """
    try:
        path = Path(Repo.find_dvc_dir()) / "tmp/abreast.lock"
    except NotDvcRepoError as error:
        raise AbreastError(" ".join(str(error).split())) from None
    path.parent.mkdir(exist_ok=True)
    try:
        lock = zc.lockfile.LockFile(str(path))
    except zc.lockfile.LockError:
        process = path.read_text(encoding="utf-8").strip()
        raise AbreastError(f"another run is at work here (process {process}); wait for its end, or stop it") from None
    try:
        yield
    finally:
        lock.close()
