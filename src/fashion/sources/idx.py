"""The IDX format of MNIST and its kin: http://yann.lecun.com/exdb/mnist, "File formats"."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.sources.folder import LONGEST

MAGIC = {1: 0x00000801, 3: 0x00000803}  # unsigned bytes, by the number of dimensions
DENSEST = 1032  # bytes that a byte of gzip can stand for, by the format


def read_idx(path: Path, *, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read a file of unsigned bytes, gzipped or not: labels (1 dimension) or images (3).

    sha256: what the decompressed bytes must hash to, or None for any. InputError when something does not match.
    """
    remedy = "delete it, and it is fetched anew" if sha256 else "put a whole one there"
    length = 4 + 4 * dimensions
    header, content = read_parts(path, length)
    if len(header) < length:
        raise InputError(f"{path}: {len(header)} bytes are too few for an IDX header of {length}; {remedy}")
    magic = int.from_bytes(header[:4], "big")
    if magic != MAGIC[dimensions]:
        raise InputError(f"{path}: IDX magic number {magic:#010x}, expected {MAGIC[dimensions]:#010x}; {remedy}")
    shape = shape_of(header)
    expected = " x ".join(map(str, shape))
    if len(content) != math.prod(shape):
        found = len(content) if len(content) < math.prod(shape) else "more"
        raise InputError(f"{path}: {found} bytes after a header that announces {expected}; {remedy}")
    if max(shape[1:], default=0) > LONGEST:
        raise InputError(f"{path}: a header that announces {expected}: longer sides than {LONGEST:,} pixels; {remedy}")
    checksum = hashlib.sha256(header)
    checksum.update(content)
    if sha256 not in (None, checksum.hexdigest()):
        raise InputError(
            f"{path}: decompressed bytes hash to {checksum.hexdigest()}, but ingest.sha256 in "
            f"params.yaml says {sha256}; {remedy}, or correct the entry if these are other data"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_parts(path: Path, length: int) -> tuple[bytes, bytes]:
    """Read a header of `length` bytes and what it announces, through gzip where the name says so.

    Reads a byte more than announced, if there is one, and never more than a file of its size can hold.
    """
    try:
        require_file(path)
        zipped = path.suffix == ".gz"
        most = path.stat().st_size * (DENSEST if zipped else 1)
        with gzip.open(path) if zipped else path.open("rb") as file:
            header = file.read(length)
            return header, file.read(min(math.prod(shape_of(header)), most) + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); put a whole one there") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None


def shape_of(header: bytes) -> list[int]:
    """Give the lengths that a header announces."""
    return [int.from_bytes(header[start : start + 4], "big") for start in range(4, len(header), 4)]
