"""Read the IDX format of MNIST, gzipped or not: http://yann.lecun.com/exdb/mnist, "File formats"."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.sources.folder import MAX_SIDE

MAGIC = {1: 0x00000801, 3: 0x00000803}  # magic numbers of unsigned bytes, by the number of dimensions
MAX_GZIP_RATIO = 1032  # decompressed bytes per byte of a gzip file, at most


def read_idx(path: Path, *, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read unsigned bytes: labels (1 dimension) or images (3 dimensions, N x H x W).

    sha256: checksum of the decompressed bytes; None skips the check. InputError if the file is damaged or has another
    checksum.
    """
    remedy = "delete it, and it is downloaded again" if sha256 else "replace it by a good copy"
    header_length = 4 + 4 * dimensions
    header, content = read_header_and_content(path, header_length)
    if len(header) < header_length:
        raise InputError(f"{path}: {len(header)} bytes are too few for an IDX header of {header_length}; {remedy}")
    magic = int.from_bytes(header[:4], "big")
    if magic != MAGIC[dimensions]:
        raise InputError(f"{path}: IDX magic number {magic:#010x}, expected {MAGIC[dimensions]:#010x}; {remedy}")
    shape = parse_shape(header)
    size, formatted_shape = math.prod(shape), " x ".join(map(str, shape))
    if len(content) != size:
        found = len(content) if len(content) < size else "more"
        raise InputError(f"{path}: {found} bytes after a header that specifies {formatted_shape}; {remedy}")
    if max(shape[1:], default=0) > MAX_SIDE:
        raise InputError(f"{path}: images of {formatted_shape}: a side is longer than {MAX_SIDE:,} pixels; {remedy}")
    checksum = hashlib.sha256(header)
    checksum.update(content)
    if sha256 not in (None, checksum.hexdigest()):
        raise InputError(
            f"{path}: decompressed bytes hash to {checksum.hexdigest()}, but ingest.sha256 in "
            f"params.yaml says {sha256}; {remedy}, or correct the entry if these are other data"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_header_and_content(path: Path, header_length: int) -> tuple[bytes, bytes]:
    """Read the header and the bytes that it specifies; a name that ends in .gz is decompressed.

    Reads one byte more if there is one, which shows that a file is too long; and never more than a gzip file of this
    size can hold, whatever its header says.
    """
    try:
        require_file(path)
        gzipped = path.suffix == ".gz"
        max_length = path.stat().st_size * (MAX_GZIP_RATIO if gzipped else 1)
        with gzip.open(path) if gzipped else path.open("rb") as file:
            header = file.read(header_length)
            return header, file.read(min(math.prod(parse_shape(header)), max_length) + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a complete gzip file ({error}); replace it by a good copy") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None


def parse_shape(header: bytes) -> list[int]:
    """Give the length of each dimension from a header."""
    return [int.from_bytes(header[start : start + 4], "big") for start in range(4, len(header), 4)]
