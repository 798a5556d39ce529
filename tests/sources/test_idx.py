import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from clone import DATA
from fashion.errors import InputError
from fashion.sources.idx import read_idx

LABELS = "t10k-labels-idx1-ubyte.gz"


def label_bytes() -> bytes:
    return gzip.decompress((DATA / LABELS).read_bytes())


def test_images_are_uint8_of_count_x_height_x_width(images: np.ndarray) -> None:
    assert images.shape == (400, 28, 28)
    assert images.dtype == np.uint8
    assert images.max() == 255


def test_a_file_that_is_not_gzipped_is_read_too(tmp_path: Path) -> None:
    plain = tmp_path / "labels"
    plain.write_bytes(label_bytes())
    np.testing.assert_array_equal(
        read_idx(plain, dimensions=1, sha256=None), read_idx(DATA / LABELS, dimensions=1, sha256=None)
    )


def test_the_checksum_is_that_of_the_decompressed_bytes() -> None:
    read_idx(DATA / LABELS, dimensions=1, sha256=hashlib.sha256(label_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda data: data[:5], "too few for an IDX header"),
        (lambda data: b"\x00\x00\x08\x03" + data[4:], "magic number 0x00000803, expected 0x00000801"),
        (lambda data: data[:-1], "99 bytes after a header that specifies 100"),
        (lambda data: data + b"\x00", "more bytes after a header that specifies 100"),
        (lambda data: data[:-1] + b"\x05", "decompressed bytes hash to"),
    ],
)
def test_damaged_content_is_refused_with_file_and_remedy(tmp_path: Path, damage, complaint: str) -> None:
    path = tmp_path / LABELS
    path.write_bytes(gzip.compress(damage(label_bytes())))
    with pytest.raises(InputError, match=complaint) as error:
        read_idx(path, dimensions=1, sha256=hashlib.sha256(label_bytes()).hexdigest())
    assert str(path) in str(error.value)
    assert "delete it" in str(error.value)


@pytest.mark.parametrize("length", [0, 10, 60])
def test_a_cut_off_gzip_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / LABELS
    shutil.copy(DATA / LABELS, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"too few for an IDX header|not a complete gzip file"):
        read_idx(path, dimensions=1, sha256=None)
