"""Flip a bit in a file, as a damaged disk does: size and modification time stay."""

import os
from pathlib import Path


def flip_a_bit(path: Path, place: int | None = None) -> None:
    """Flip a bit of the middle byte, or of the byte at an offset."""
    stat = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2 if place is None else place)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    path.chmod(stat.st_mode)
