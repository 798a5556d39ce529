"""Small files that could take much memory or time to read; `read_or_refused` measures both."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from fashion.inference.read_images import find_images
from fashion.settings.frame import Frame
from fashion.sources.idx import read_idx
from fashion.sources.image_file import read_image
from fashion.sources.table import read_labelled, read_pixels
from hostile import read_or_refused

FRAME = Frame(channels=3, height=8, width=8, content_height=8, content_width=8, enlarge=False, background=[0, 0, 0])
ZEROS = bytes(300_000_000)


@pytest.fixture(scope="module")
def gzip_bomb() -> bytes:
    """300 MB of zeros in gzip after an IDX header of one image of 2x2 pixels."""
    return gzip.compress(struct.pack(">4I", 0x803, 1, 2, 2) + ZEROS, 1)


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8) -> bytes:
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    parts = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (header, *chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_gzip_is_decompressed_only_to_the_size_in_the_header(gzip_bomb: bytes, tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip_bomb)
    read = lambda: read_idx(tmp_path / "bomb.gz", dimensions=3, sha256=None)  # noqa: E731
    assert read_or_refused(read, len(gzip_bomb)) is None


def test_a_header_of_more_bytes_than_the_file_can_hold_takes_no_memory(tmp_path: Path) -> None:
    for content in (struct.pack(">4I", 0x803, *[2**32 - 1] * 3), struct.pack(">4I", 0x803, 0, *[2**32 - 1] * 2)):
        (tmp_path / "bomb").write_bytes(content)
        assert read_or_refused(lambda: read_idx(tmp_path / "bomb", dimensions=3, sha256=None), 16) is None


@pytest.mark.parametrize("kind", [b"IDAT", b"zTXt", b"iCCP"])
def test_a_png_is_decompressed_only_to_the_size_in_its_header(kind: bytes, tmp_path: Path) -> None:
    compressed = zlib.compress(ZEROS, 1)
    chunks = (
        [(b"IDAT", compressed)]
        if kind == b"IDAT"
        else [(kind, b"k\0\0" + compressed), (b"IDAT", zlib.compress(b"\0" * 72))]
    )
    content = png(8, 8, *chunks)
    (tmp_path / "bomb.png").write_bytes(content)
    read_or_refused(lambda: read_image(tmp_path / "bomb.png", FRAME), len(content))


@pytest.mark.parametrize(("width", "height"), [(1, 49_000_000), (49_000_000, 1), (2**31 - 1, 2**31 - 1)])
def test_an_image_of_millions_of_rows_or_columns_is_refused(width: int, height: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(width, height, (b"IDAT", zlib.compress(ZEROS[:100_000_000], 1))))
    assert read_or_refused(lambda: read_image(tmp_path / "bomb.png", FRAME), 0) is None


def test_of_a_tiff_of_thousands_of_pages_the_first_is_read_at_once(tmp_path: Path) -> None:
    values = ((256, 4, 8), (257, 4, 8), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 64))
    tags = struct.pack("<H", len(values)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in values
    )
    length = len(tags) + 4
    pages = [tags + struct.pack("<I", 8 + length * number) for number in range(1, 60_001)]
    (tmp_path / "bomb.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(pages))
    image = read_or_refused(lambda: read_image(tmp_path / "bomb.tif", FRAME), 0)
    assert image.shape == (3, 8, 8)


@pytest.mark.parametrize(
    "header",
    [
        "pix999999999",
        f"pix{'9' * 5000}",
        "pix1,pix999999",
        "," * 5_000_000,
        ",".join(f"pix{n}" for n in range(1, 200_000)),
    ],
)
def test_a_header_with_many_or_large_columns_is_refused(header: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv"
    path.write_text(f"label,{header}\n1,1\n2,1\n")
    assert read_or_refused(lambda: read_labelled(path, None), len(header)) is None


def test_a_table_takes_one_byte_of_memory_for_each_pixel(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text(f"label,{','.join(f'pix{n}' for n in range(1, 785))}\n" + f"1{',0' * 784}\n2{',0' * 784}\n" * 5000)
    images, _, _ = read_or_refused(lambda: read_labelled(path, None), 0)  # 8 MB, less than the 64 MB allowed
    assert images.shape == (10_000, 1, 28, 28)


def test_one_long_id_does_not_make_all_ids_long(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"ID,pix1\n{'x' * 100_000},1\n" + "".join(f"{number},1\n" for number in range(10_000)))
    assert read_or_refused(lambda: read_pixels(path), path.stat().st_size) is None


def test_an_array_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "bomb.npy", np.zeros((1, 8, 8), np.uint8))
    content = (tmp_path / "bomb.npy").read_bytes().replace(b"(1, 8, 8), }          ", b"(9999999999, 8, 8), } ")
    (tmp_path / "bomb.npy").write_bytes(content)
    assert read_or_refused(lambda: find_images([tmp_path / "bomb.npy"]), len(content)) is None
