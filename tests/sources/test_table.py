from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion.errors import InputError
from fashion.sources.table import read_labelled, read_unlabelled

CLASSES = [f"class {number}" for number in range(10)]


def table(images: np.ndarray, **columns: object) -> pd.DataFrame:
    pixels = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pix{n}" for n in range(1, images[0].size + 1)])
    return pixels.assign(**columns)


@pytest.fixture
def train(images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return table(images[::40], label=labels[::40])


@pytest.fixture
def evaluate(images: np.ndarray) -> pd.DataFrame:
    return table(images[:5], ID=[7, 3, 12, 1, 40])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_labelled_images_come_back_as_they_were(
    train: pd.DataFrame, images: np.ndarray, labels: np.ndarray, path: Path
) -> None:
    train.to_csv(path, index=False)
    read, read_labels, _ = read_labelled(path, CLASSES)
    np.testing.assert_array_equal(read, images[::40])
    np.testing.assert_array_equal(read_labels, labels[::40])


def test_columns_may_stand_in_any_order(train: pd.DataFrame, images: np.ndarray, path: Path) -> None:
    train[train.columns[::-1]].to_csv(path, index=False)
    np.testing.assert_array_equal(read_labelled(path, CLASSES)[0], images[::40])


def test_ids_are_kept_as_they_are_written(evaluate: pd.DataFrame, path: Path) -> None:
    evaluate.assign(ID=["007", "NA", "null", "1.50", "é"]).to_csv(path, index=False)
    assert read_unlabelled(path)[1].tolist() == ["007", "NA", "null", "1.50", "é"]


@pytest.mark.parametrize(
    ("written", "classes", "numbers"),
    [
        (["cat", "NA", "dog", "cat"], ["NA", "cat", "dog"], [1, 0, 2, 1]),
        (["10", "9", "11", "9"], ["9", "10", "11"], [1, 0, 2, 0]),
        (["1.0", "2", " 2", "1"], ["1", "2"], [0, 1, 1, 0]),
    ],
)
def test_classes_are_named_by_the_labels_in_the_order_of_numbers_or_of_the_alphabet(
    images: np.ndarray, path: Path, written: list[str], classes: list[str], numbers: list[int]
) -> None:
    table(images[:4], label=written).to_csv(path, index=False)
    _, labels, found = read_labelled(path, None)
    assert (found, labels.tolist()) == (classes, numbers)


def test_names_of_the_settings_may_stand_for_numbers(images: np.ndarray, path: Path) -> None:
    table(images[:3], label=["class 2", "class 0", "class 2"]).to_csv(path, index=False)
    assert read_labelled(path, CLASSES)[1].tolist() == [2, 0, 2]


def test_one_class_is_refused(images: np.ndarray, path: Path) -> None:
    table(images[:3], label=["cat"] * 3).to_csv(path, index=False)
    with pytest.raises(InputError, match="all labels are 'cat'; a classifier tells 2 to 1,000 classes apart"):
        read_labelled(path, None)


def with_cell(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(object)
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda frame: frame.drop(columns="label"), "column label is missing"),
        (lambda frame: frame.drop(columns="pix3"), "column pix3 is missing"),
        (lambda frame: frame.drop(columns="pix784"), "783 pixel columns are no square"),
        (lambda frame: frame.assign(colour=1), "column 'colour' is not one of"),
        (lambda frame: frame.assign(pix0=1), "column 'pix0' is not one of"),
        (lambda frame: frame[["label"]], "no pixel columns"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (with_cell(3, "pix5", "dark"), "line 5, column pix5: 'dark' is not a number"),
        (with_cell(3, "pix5", None), "line 5, column pix5: empty"),
        (with_cell(0, "pix784", 256), "line 2, column pix784: 256 is not a grey level; expected 0 to 255"),
        (with_cell(9, "pix1", -1), "line 11, column pix1: -1 is not a grey level"),
        (with_cell(2, "pix1", 0.5), "line 4, column pix1: 0.5 is not a grey level"),
        (with_cell(2, "pix1", "nan"), "line 4, column pix1: 'nan' is not a number"),
        (with_cell(2, "pix1", "9" * 5000), "line 4, column pix1: inf is not a grey level"),
        (with_cell(2, "pix1", "1_0"), "line 4, column pix1: '1_0' is not a number"),
        (with_cell(2, "pix1", "٣"), "line 4, column pix1: '٣' is not a number"),
        (with_cell(2, "pix1", "\x1b[31m"), "line 4, column pix1: '\\x1b[31m' is not a number"),
        (with_cell(2, "pix1", "inf"), "line 4, column pix1: inf is not a grey level"),
        (with_cell(2, "pix1", "True"), "line 4, column pix1: 'True' is not a number"),
        (with_cell(4, "label", 10), "line 6, column label: 10 is not a known label; expected 0 to 9"),
        (with_cell(4, "label", "Bag"), "line 6, column label: 'Bag' is not among the `classes`"),
        (with_cell(4, "label", -1), "line 6, column label: '-1' is not among the `classes`"),
        (with_cell(4, "label", None), "line 6, column label: empty"),
    ],
)
def test_a_faulty_labelled_table_is_refused_with_its_place(
    train: pd.DataFrame, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], complaint: str
) -> None:
    change(train).to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_labelled(path, CLASSES)
    assert complaint in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (with_cell(2, "ID", 7), "line 4, column ID: '7' stands there a second time"),
        (with_cell(2, "ID", None), "line 4, column ID: empty"),
        (with_cell(2, "ID", "a\nb"), "line 4, column ID: 'a\\nb': a name is 1 to 255 characters in one line"),
        (with_cell(2, "ID", "=cmd()"), "line 4, column ID: '=cmd()': a spreadsheet would take this name for a formula"),
        (with_cell(2, "ID", "\x1b[31m"), "column ID: '\\x1b[31m': a name"),
        (lambda frame: frame.drop(columns="ID"), "column ID is missing"),
        (lambda frame: frame.assign(label=0), "column 'label' is not one of"),
    ],
)
def test_a_faulty_unlabelled_table_is_refused_with_its_place(
    evaluate: pd.DataFrame, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], complaint: str
) -> None:
    change(evaluate).to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_unlabelled(path)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "empty; expected a header"),
        (b"label,pix1\n1,2\n1,2,3\n", "line 3: 3 values for 2 columns"),
        (b"label,pix1\n1,2,3\n1,2,3\n", "line 2: 3 values for 2 columns"),
        (b"label,pix1\n1\n", "line 2, column pix1: empty"),
        (b"label,pix1\n1,2\n\n1,2\n", "line 3, column"),
        (b"label,pix1,pix1\n1,2,3\n", "column pix1 stands twice"),
        (b"label,pix1\n1,\xff\xfe\n", "not UTF-8"),
        (b"\x00\x01\x02", "is missing"),
        (b"label,pix1\n1,\x00\n", r"line 2, column pix1: '\x00' is not a number"),
        (b'label,pix1\n"1\n",1\n1,x\n', "line 4, column pix1: 'x' is not a number"),
        (b'label,pix1\n1,"2\n1,2\n', r"line 2, column pix1: '2\n1,2\n' is not a number"),
        (b"label,pix1\n1," + b"x" * 200_000 + b"\n1,2,3\n", "line 2: no row of a table (field larger than field limit"),
        ("label,pix1\n1,2\n".encode("utf-16"), "not UTF-8"),
        (b"label,pix1\n3000000000000000000000,2\n", "line 2, column label"),
    ],
)
def test_text_that_is_no_table_is_refused(path: Path, text: bytes, complaint: str) -> None:
    path.write_bytes(text)
    with pytest.raises(InputError) as error:
        read_labelled(path, CLASSES)
    assert complaint in str(error.value)


def test_a_missing_table_is_refused_with_the_way_out(path: Path) -> None:
    with pytest.raises(InputError, match="no such file; put it there, or set ingest.source"):
        read_labelled(path, CLASSES)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(train: pd.DataFrame, path: Path) -> None:
    path.write_text(train.to_csv(index=False, lineterminator="\r\n"), encoding="utf-8-sig", newline="")
    assert len(read_labelled(path, CLASSES)[0]) == 10


def test_numbers_of_more_than_256_classes_stay_what_they_are(images: np.ndarray, path: Path) -> None:
    names = [f"class {number}" for number in range(300)]
    table(images[:3], label=["299", "0", "256"]).to_csv(path, index=False)
    assert read_labelled(path, names)[1].tolist() == [299, 0, 256]


def test_columns_are_told_by_digits_of_ascii(path: Path) -> None:
    path.write_text("label,pix1,pix2,pix3,pix\u0664\n1,1,1,1,1\n2,1,1,1,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'pix\u0664' is not one of"):
        read_labelled(path, None)
