"""Replace a file atomically: temporary file, fsync, rename, fsync of the folder."""

import os
import shutil
from pathlib import Path

FSYNC = os.environ.get("ABREAST_FSYNC") != "0"  # 0 is for tests


def write_whole(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Replace a file atomically: it has the old content or the new one, also after a loss of power.

    durable: whether to fsync. Without it, the file may be empty after a loss of power.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    durable = durable and FSYNC
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if target.exists():
                shutil.copymode(target, temporary)
            if durable:
                os.fsync(file.fileno())
        temporary.replace(target)
        if durable:
            fsync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
