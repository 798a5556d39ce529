"""IDX files, gzipped or not, damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tqdm import tqdm

from fashion.sources.idx import read_idx
from hostile import damaged, read_or_refused


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


VALID = idx_bytes(np.arange(2 * 5 * 7, dtype=np.uint8).reshape(2, 5, 7))
COLOUR = idx_bytes(np.arange(2 * 5 * 7 * 3, dtype=np.uint8).reshape(2, 5, 7, 3))


@given(array=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=9)), gzipped=st.booleans())
def test_a_written_idx_file_is_read(array: np.ndarray, gzipped: bool, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / ("images.gz" if gzipped else "images")
    path.write_bytes(gzip.compress(idx_bytes(array), 1) if gzipped else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, dimensions=3, sha256=None), array)


@given(
    content=damaged([VALID, COLOUR])
    | damaged([VALID, COLOUR]).map(lambda content: gzip.compress(content, 1))
    | damaged([gzip.compress(VALID)]),
    dimensions=st.sampled_from([1, 3]),
    suffix=st.sampled_from(["", ".gz"]),
)
def test_any_idx_file_is_read_or_refused(content: bytes, dimensions: int, suffix: str, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / f"damaged{suffix}"
    path.write_bytes(content)
    array = read_or_refused(lambda: read_idx(path, dimensions=dimensions, sha256=None), len(content))
    if array is not None:
        decompressed = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        assert array.ndim in ((1,) if dimensions == 1 else (3, 4))
        assert sorted(decompressed[-array.size :]) == sorted(array.tobytes())
