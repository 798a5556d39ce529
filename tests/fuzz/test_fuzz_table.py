"""CSV tables with any header and any cells are read, or refused with an InputError."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tqdm import tqdm

from fashion.settings.frame import Frame
from fashion.sources.table import read_labelled, read_pixels
from hostile import NASTY_TEXT, damaged, read_or_refused

VALID = b"label,ID,pix1,pix2,pix3,pix4\n1,a,0,0,0,0\n2,b,255,1,2,3\n"
FRAME = Frame(channels=3, height=20, width=40, content_height=20, content_width=40, enlarge=True, background=[0, 0, 0])
COLUMNS = [
    "ID",
    "label",
    "pix1",
    "pix2",
    "pix3",
    "pix4",
    "pix5",
    "pix01",
    "pix999999999",
    "pix0",
    "pixel0",
    "pixel1",
    "pix1_r",
    "pix1_g",
    "pix1_b",
    f"pix{'9' * 5000}",
    *NASTY_TEXT,
]
CELLS = (
    st.sampled_from(["0", "255", "256", "-1", "0.5", "1.0", " 2", "1e2", "True", "2020-01-01", *NASTY_TEXT]) | st.text()
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Give a table, often valid except for a few cells."""
    header = draw(
        st.sampled_from([["ID", "pix1"], ["label", "pix1"], ["pix1"], ["pix4", "label", "pix2", "pix3", "pix1"]])
        | st.lists(st.sampled_from(COLUMNS), max_size=6)
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])))
    writer.writerow(header)
    for number in range(draw(st.integers(0, 4))):
        row = [str(number)] * len(header)
        if draw(st.booleans()):
            row[draw(st.integers(0, len(row))) :] = draw(st.lists(CELLS, max_size=3))
        writer.writerow(row)
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return text.getvalue().encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")


@given(images=arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(3), st.just(3))), data=st.data())
def test_images_are_read_from_columns_in_any_order(
    images: np.ndarray, data: st.DataObject, place: Path, bar: tqdm
) -> None:
    bar.update()
    order = data.draw(st.permutations(range(9)))
    rows = [[f"pix{number + 1}" for number in order]]
    rows += [[str(image.flat[number]) for number in order] for image in images]
    (place / "valid.csv").write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    np.testing.assert_array_equal(read_pixels(place / "valid.csv")[0], images[:, None])


READERS = {
    "labelled": lambda path: read_labelled(path, None),
    "pixels": read_pixels,
    "pixels for a model": lambda path: read_pixels(path, FRAME),
}


@pytest.mark.parametrize("reader", READERS)
@given(content=tables() | damaged([VALID, VALID.replace(b"ID,", b"").replace(b"a,", b"").replace(b"b,", b"")]))
def test_any_table_is_read_or_refused(reader: str, content: bytes, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / "any.csv"
    path.write_bytes(content)
    read = read_or_refused(lambda: READERS[reader](path), len(content))
    if read is not None:
        images, names = read[:2]
        assert images.dtype == np.uint8
        assert images.shape[2] == images.shape[3] or reader == "pixels for a model"
        assert images.shape[1] in (1, 3)
        assert len(images) == len(names)
