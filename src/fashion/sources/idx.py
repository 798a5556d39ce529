"""The IDX format of MNIST and its kin: http://yann.lecun.com/exdb/mnist, "File formats"."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from fashion.errors import InputError

MAGIC = {1: 0x00000801, 3: 0x00000803}  # unsigned bytes, by the number of dimensions


def read_idx(path: Path, *, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read a file of unsigned bytes, gzipped or not: labels (1 dimension) or images (3).

    sha256: what the decompressed bytes must hash to, or None for any. InputError when something does not match.
    """
    content = decompress(path)
    remedy = "delete it, and it is fetched anew" if sha256 else "put a whole one there"
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise InputError(f"{path}: {len(content)} bytes are too few for an IDX header of {header}; {remedy}")
    magic = int.from_bytes(content[:4], "big")
    if magic != MAGIC[dimensions]:
        raise InputError(f"{path}: IDX magic number {magic:#010x}, expected {MAGIC[dimensions]:#010x}; {remedy}")
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(dimensions)]
    if len(content) - header != np.prod(shape, dtype=object):
        expected = " x ".join(str(length) for length in shape)
        raise InputError(f"{path}: {len(content) - header} bytes after a header that announces {expected}; {remedy}")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"{path}: decompressed bytes hash to {hashlib.sha256(content).hexdigest()}, but ingest.sha256 in "
            f"params.yaml says {sha256}; {remedy}, or correct the entry if these are other data"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def decompress(path: Path) -> bytes:
    """Read a file, through gzip where its name says so."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); put a whole one there") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
