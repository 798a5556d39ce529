"""The runner's own folder in a project, and the lock by which one run at a time is there.

All that the runner writes lies in DVC's folder for what git does not keep, never among the user's files.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zc.lockfile

from abreast.dvc_api import find_root
from abreast.errors import AbreastError

FOLDER = Path(".dvc/tmp/abreast")  # from the project's root
LOGS = FOLDER / "logs"
LONGEST = 100  # characters of a log's name


@contextmanager
def run_lock() -> Iterator[Path]:
    """Hold the project's lock of runs, which ends with this process however it does; give the project's root.

    AbreastError where another run holds it, where there is no project, or its folder cannot be written.
    """
    root = find_root()
    path = root / FOLDER / "lock"
    try:
        (root / LOGS).mkdir(parents=True, exist_ok=True)
        lock = zc.lockfile.LockFile(str(path))
    except zc.lockfile.LockError:
        process = path.read_text(encoding="utf-8").strip()
        raise AbreastError(f"another run is at work here (process {process}); wait for its end, or stop it") from None
    except OSError as error:
        raise AbreastError(f"{error.filename or path}: {error.strerror}; runs keep their logs there") from None
    try:
        yield root
    finally:
        lock.close()


def log_files(names: Iterable[str], root: Path) -> dict[str, Path]:
    """Give each stage a log of its own, whatever its name is made of."""
    names = list(names)
    plain = {name: re.sub(r"[^\w@.=+-]+", "_", name, flags=re.ASCII)[:LONGEST] for name in names}
    known = Counter(short.lower() for short in plain.values())
    return {
        name: root / LOGS / f"{short if short == name and known[short.lower()] == 1 else f'{short}-{digest(name)}'}.log"
        for name, short in plain.items()
    }


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
