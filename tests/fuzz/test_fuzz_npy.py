""".npy files, damaged or with any header."""

import io
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tqdm import tqdm

from fashion.inference.read_images import find_images
from hostile import damaged, read_or_refused


def npy_bytes(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


VALID = [npy_bytes(np.zeros((2, 5, 7), dtype)) for dtype in (np.uint8, float, object, "U3")]
VALID += [npy_bytes(np.zeros(shape, np.uint8)) for shape in ((2, 3, 5, 7), (2, 5, 7, 3), (2, 3, 4, 4))]


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Draw an .npy file with an unusual or invalid header."""
    dtypes = [
        "'|u1'",
        "'|O'",
        "'<f8'",
        "'|V2000000000'",
        "('|u1', (9999, 9999))",
        "[('a', '|u1')]",
        "'\\q'",
        "None",
        "[" * 300,
    ]
    sides = st.sampled_from(["1", "8", "0", "-1", "True", "2**9", str(2**62), str(2**70), "9" * 5000, "1.0", "()"])
    shape = ",".join(draw(st.lists(sides, min_size=1, max_size=4)))
    dtype, fortran = draw(st.sampled_from(dtypes)), draw(st.sampled_from(["False", "True", "0", "x"]))
    header = f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': ({shape},)}}\n".encode()
    return (
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(draw(st.sampled_from([0, 64, 512])))
    )


@given(array=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=5, max_side=9)), colors=st.integers(0, 2))
def test_a_saved_array_is_read(array: np.ndarray, colors: int, place: Path, bar: tqdm) -> None:
    bar.update()
    expected = array[:, None] if colors == 0 else np.stack([array, array // 2, 255 - array], axis=1)
    np.save(place / "valid.npy", [array, expected, np.moveaxis(expected, 1, -1)][colors])
    np.testing.assert_array_equal(find_images([place / "valid.npy"])[0].content, expected)


@given(content=damaged(VALID) | headers())
def test_any_npy_file_is_read_or_refused(content: bytes, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / "any.npy"
    path.write_bytes(content)
    found = read_or_refused(lambda: find_images([path]), len(content))
    if found is not None:
        images = found[0].content
        assert (images.dtype, images.ndim) == (np.uint8, 4)
        assert images.shape[1] in (1, 3)
        assert images.nbytes <= len(content)
