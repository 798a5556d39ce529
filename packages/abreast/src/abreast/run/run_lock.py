"""Allow one run at a time in a project, and name the files in abreast's folder, .dvc/tmp/abreast.

DVC lets git ignore .dvc/tmp. abreast writes no file of its own anywhere else.
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
MAX_LENGTH = 100  # characters of a stage's name in the name of its log


@contextmanager
def run_lock() -> Iterator[Path]:
    """Hold the lock that allows one run at a time, and yield the project's root. The lock ends with this process.

    AbreastError if another run holds it, if there is no project, or if its folder cannot be written.
    """
    root = find_root()
    path = root / FOLDER / "lock"
    try:
        (root / LOGS).mkdir(parents=True, exist_ok=True)
        lock = zc.lockfile.LockFile(str(path))
    except zc.lockfile.LockError:
        pid = path.read_text(encoding="utf-8").strip()
        raise AbreastError(f"another run is active in this project (process {pid}); wait for it, or stop it") from None
    except OSError as error:
        raise AbreastError(f"{error.filename or path}: {error.strerror}; abreast writes its logs there") from None
    try:
        yield root
    finally:
        lock.close()


def log_files(names: Iterable[str], root: Path) -> dict[str, Path]:
    """Return the path of each stage's log; names that are not valid file names get a checksum at their end.

    >>> log_files(["train@base", "a/b"], Path("/project"))
    {'train@base': PosixPath('/project/.dvc/tmp/abreast/logs/train@base.log'),
     'a/b': PosixPath('/project/.dvc/tmp/abreast/logs/a_b-c14cddc0.log')}
    """
    names = list(names)
    stems = {name: re.sub(r"[^\w@.=+-]+", "_", name, flags=re.ASCII)[:MAX_LENGTH] for name in names}
    counts = Counter(stem.lower() for stem in stems.values())  # some file systems ignore case
    return {
        name: root / LOGS / f"{stem if stem == name and counts[stem.lower()] == 1 else f'{stem}-{checksum(name)}'}.log"
        for name, stem in stems.items()
    }


def checksum(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
