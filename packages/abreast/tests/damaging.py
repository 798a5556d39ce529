"""Damage a file as an ageing disk does: a bit flips, and size and time of change stay."""

import os
from pathlib import Path


def flip_a_bit(path: Path, place: int | None = None) -> None:
    """Flip one in the middle, or at a place in bytes."""
    about = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(about.st_size // 2 if place is None else place)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    path.chmod(about.st_mode)
