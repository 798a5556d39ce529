import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from clone import DATA
from fashion.errors import InputError
from fashion.sources.idx import is_idx, read_idx, read_idx_images

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def label_bytes() -> bytes:
    return gzip.decompress((DATA / LABELS).read_bytes())


def test_images_are_uint8_of_count_x_height_x_width() -> None:
    images = read_idx(DATA / IMAGES, dimensions=3, sha256=None)
    assert images.shape == (400, 28, 28)
    assert images.dtype == np.uint8
    assert images.max() == 255


@pytest.mark.parametrize("channels_last", [True, False])
def test_images_of_four_dimensions_are_in_colour(tmp_path: Path, images: np.ndarray, *, channels_last: bool) -> None:
    colour = np.concatenate([images[:5], images[5:10], images[10:15]], 1)
    stored = colour.transpose(0, 2, 3, 1) if channels_last else colour
    path = tmp_path / "images"
    path.write_bytes(np.array([0x804, *stored.shape], ">u4").tobytes() + stored.tobytes())
    assert is_idx(path)
    np.testing.assert_array_equal(read_idx_images(path), colour)


def test_idx_files_are_told_from_others_by_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("ID,pix1")
    found = [is_idx(path) for path in (DATA / IMAGES, DATA / LABELS, tmp_path / "text", tmp_path / "nothing")]
    assert found == [True, True, False, False]


def test_labels_are_refused_where_images_are_expected() -> None:
    with pytest.raises(InputError, match="IDX magic number 0x00000801, expected 0x00000803, of images"):
        read_idx_images(DATA / LABELS)


def test_four_dimensions_without_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(np.array([0x804, 2, 5, 4, 2], ">u4").tobytes() + bytes(80))
    with pytest.raises(InputError, match="expected 1 or 3 channels, second or last"):
        read_idx(path, dimensions=3, sha256=None)


@pytest.mark.parametrize("name", ["labels", "labels.gz"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_a_file_may_be_gzipped_whatever_its_name(tmp_path: Path, name: str, *, gzipped: bool) -> None:
    path = tmp_path / name
    path.write_bytes((DATA / LABELS).read_bytes() if gzipped else label_bytes())
    assert is_idx(path)
    assert bytes(read_idx(path, dimensions=1, sha256=None)) == label_bytes()[8:]


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
