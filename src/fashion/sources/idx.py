"""Read the IDX format of MNIST, gzipped or not: http://yann.lecun.com/exdb/mnist, "File formats".

The first bytes tell whether a file is gzipped, not its name: browsers unpack files and leave the `.gz` in their names.
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.sources.image_file import MAX_IMAGE_SIDE

MAGIC = 0x00000800  # of unsigned bytes; the number of dimensions is added
MAGIC_START = MAGIC.to_bytes(4, "big")[:3]
GZIP_START = b"\x1f\x8b"
MAX_GZIP_RATIO = 1032  # decompressed bytes per byte of a gzip file, at most


def read_idx(path: Path, *, dimensions: int, sha256: str | None) -> np.ndarray:
    """Read unsigned bytes: labels (1 dimension) or images (3 dimensions, N x H x W, or 4: N x C x H x W).

    A file of four dimensions may have the channels, 1 or 3, after the images or last. dimensions: 1 or 3.
    sha256: checksum of the decompressed bytes; None skips the check. InputError if the file is damaged or has another
    checksum.
    """
    remedy = "delete it, and it is downloaded again" if sha256 else "replace it by a good copy"
    header, content = read_header_and_content(path)
    if len(header) < 4:
        raise InputError(f"{path}: {len(header)} bytes are too few for an IDX header; {remedy}")
    magic = int.from_bytes(header[:4], "big")
    if magic not in ({MAGIC + 1} if dimensions == 1 else {MAGIC + 3, MAGIC + 4}):
        expected = f"{MAGIC + dimensions:#010x}, of {'labels' if dimensions == 1 else 'images'}"
        raise InputError(f"{path}: IDX magic number {magic:#010x}, expected {expected}; {remedy}")
    header_length = 4 + 4 * (magic - MAGIC)
    if len(header) < header_length:
        raise InputError(f"{path}: {len(header)} bytes are too few for an IDX header of {header_length}; {remedy}")
    shape = parse_shape(header)
    size, formatted_shape = math.prod(shape), " x ".join(map(str, shape))
    if len(content) != size:
        found = len(content) if len(content) < size else "more"
        raise InputError(f"{path}: {found} bytes after a header that specifies {formatted_shape}; {remedy}")
    if len(shape) == 4 and not {shape[1], shape[3]} & {1, 3}:
        raise InputError(f"{path}: images of {formatted_shape}: expected 1 or 3 channels, second or last; {remedy}")
    if max(shape[1:], default=0) > MAX_IMAGE_SIDE:
        raise InputError(
            f"{path}: images of {formatted_shape}: a side is longer than {MAX_IMAGE_SIDE:,} pixels; {remedy}"
        )
    checksum = hashlib.sha256(header)
    checksum.update(content)
    if sha256 not in (None, checksum.hexdigest()):
        raise InputError(
            f"{path}: decompressed bytes hash to {checksum.hexdigest()}, but ingest.sha256 in "
            f"params.yaml says {sha256}; {remedy}, or correct the entry if these are other data"
        )
    array = np.frombuffer(content, np.uint8).reshape(shape)
    return array.transpose(0, 3, 1, 2) if len(shape) == 4 and shape[3] in (1, 3) else array


def is_idx(path: Path) -> bool:
    """Tell by its first bytes whether a file, gzipped or not, has images or labels in the IDX format."""
    try:
        with open_decompressed(path) as file:
            return int.from_bytes(file.read(4), "big") in (MAGIC + 1, MAGIC + 3, MAGIC + 4)
    except (OSError, EOFError, zlib.error):
        return False


def read_idx_images(path: Path) -> np.ndarray:
    """Read the images of an IDX file, uint8 of N x C x H x W."""
    images = read_idx(path, dimensions=3, sha256=None)
    return images[:, None] if images.ndim == 3 else images


def read_header_and_content(path: Path) -> tuple[bytes, bytes]:
    """Read the header and the bytes that it specifies, decompressed.

    Reads one byte more if there is one, which shows that a file is too long; and never more than a gzip file of this
    size can hold, whatever its header says.
    """
    try:
        with open_decompressed(path) as file:
            max_length = path.stat().st_size * (MAX_GZIP_RATIO if isinstance(file, gzip.GzipFile) else 1)
            header = file.read(4)
            header += file.read(4 * max(int.from_bytes(header, "big") - MAGIC, 0) if header[:3] == MAGIC_START else 0)
            return header, file.read(min(math.prod(parse_shape(header)), max_length) + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a complete gzip file ({error}); replace it by a good copy") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None


def open_decompressed(path: Path) -> gzip.GzipFile | BinaryIO:
    """Open a file, gzipped or not; OSError unless it is a regular file."""
    require_file(path)
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP_START)) == GZIP_START
    return gzip.open(path) if gzipped else path.open("rb")


def parse_shape(header: bytes) -> list[int]:
    """Give the length of each dimension from a header."""
    return [int.from_bytes(header[start : start + 4], "big") for start in range(4, len(header), 4)]
