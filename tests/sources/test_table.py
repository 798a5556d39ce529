"""Images from CSV tables: which tables are read, and how invalid ones are refused."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_sample_image

from fashion.errors import InputError
from fashion.settings.frame import Frame
from fashion.sources.table import read_labelled, read_pixels

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


def test_labelled_images_are_read_as_they_were_written(
    train: pd.DataFrame, images: np.ndarray, labels: np.ndarray, path: Path
) -> None:
    train.to_csv(path, index=False)
    read, read_labels, _ = read_labelled(path, CLASSES)
    np.testing.assert_array_equal(read, images[::40])
    np.testing.assert_array_equal(read_labels, labels[::40])


def test_columns_may_have_any_order(train: pd.DataFrame, images: np.ndarray, path: Path) -> None:
    train[train.columns[::-1]].to_csv(path, index=False)
    np.testing.assert_array_equal(read_labelled(path, CLASSES)[0], images[::40])


def test_ids_are_kept_as_they_are_written(evaluate: pd.DataFrame, path: Path) -> None:
    evaluate.assign(ID=["007", "NA", "null", "1.50", "é"]).to_csv(path, index=False)
    assert read_pixels(path)[1] == ["007", "NA", "null", "1.50", "é"]


@pytest.mark.parametrize(
    ("written", "classes", "numbers"),
    [
        (["cat", "NA", "dog", "cat"], ["NA", "cat", "dog"], [1, 0, 2, 1]),
        (["10", "9", "11", "9"], ["9", "10", "11"], [1, 0, 2, 0]),
        (["1.0", "2", " 2", "1"], ["1", "2"], [0, 1, 1, 0]),
    ],
)
def test_classes_from_labels_are_sorted_as_numbers_or_alphabetically(
    images: np.ndarray, path: Path, written: list[str], classes: list[str], numbers: list[int]
) -> None:
    table(images[:4], label=written).to_csv(path, index=False)
    _, labels, found = read_labelled(path, None)
    assert (found, labels.tolist()) == (classes, numbers)


def test_labels_may_be_names_from_the_settings(images: np.ndarray, path: Path) -> None:
    table(images[:3], label=["class 2", "class 0", "class 2"]).to_csv(path, index=False)
    assert read_labelled(path, CLASSES)[1].tolist() == [2, 0, 2]


def test_one_class_is_refused(images: np.ndarray, path: Path) -> None:
    table(images[:3], label=["cat"] * 3).to_csv(path, index=False)
    with pytest.raises(InputError, match="all labels are 'cat'; expected 2 to 1,000 classes"):
        read_labelled(path, None)


def with_cell(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(object)
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="label"), "column label is missing"),
        (lambda frame: frame.drop(columns="pix3"), "column pix3 is missing"),
        (lambda frame: frame.drop(columns="pix784"), "783 pixels are not a square image"),
        (lambda frame: frame.assign(colour=1), "unknown column 'colour'; expected columns label and pix1..pixN"),
        (lambda frame: frame.assign(pix1000=1), "column pix785 is missing"),
        (lambda frame: frame.drop(columns="pix1").assign(pixel1=1), "column pix1 is missing"),
        (lambda frame: frame[["label"]], "column pix1 is missing"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (with_cell(3, "pix5", "dark"), "line 5, column pix5: 'dark' is not a grey level"),
        (with_cell(3, "pix5", None), "line 5, column pix5: empty"),
        (
            with_cell(0, "pix784", 256),
            "line 2, column pix784: '256' is not a grey level; expected an integer from 0 to 255",
        ),
        (with_cell(9, "pix1", -1), "line 11, column pix1: '-1' is not a grey level"),
        (with_cell(2, "pix1", 0.5), "line 4, column pix1: '0.5' is not a grey level"),
        (with_cell(2, "pix1", "nan"), "line 4, column pix1: 'nan' is not a grey level"),
        (with_cell(2, "pix1", "9" * 5000), "line 4, column pix1: '99999"),
        (with_cell(2, "pix1", "1_0"), "line 4, column pix1: '1_0' is not a grey level"),
        (with_cell(2, "pix1", "٣"), "line 4, column pix1: '٣' is not a grey level"),
        (with_cell(2, "pix1", "\x1b[31m"), "line 4, column pix1: '\\x1b[31m' is not a grey level"),
        (with_cell(2, "pix1", "inf"), "line 4, column pix1: 'inf' is not a grey level"),
        (with_cell(2, "pix1", "True"), "line 4, column pix1: 'True' is not a grey level"),
        (with_cell(4, "label", 10), "line 6, column label: unknown label '10'; expected names from `classes`"),
        (with_cell(4, "label", "Bag"), "line 6, column label: unknown label 'Bag'"),
        (with_cell(4, "label", -1), "line 6, column label: unknown label '-1'"),
        (with_cell(4, "label", None), "line 6, column label: unknown label ''"),
    ],
)
def test_an_invalid_labelled_table_is_refused_with_line_and_column(
    train: pd.DataFrame, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(train).to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_labelled(path, CLASSES)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_cell(2, "ID", 7), "line 4, column ID: duplicate ID '7'"),
        (with_cell(2, "ID", None), "line 4, column ID: '': a name is 1 to 255 characters"),
        (with_cell(2, "ID", "a\nb"), "line 4: a quote is not closed in its line"),
        (with_cell(2, "ID", "=cmd()"), "line 4, column ID: '=cmd()': a spreadsheet would take this name for a formula"),
        (with_cell(2, "ID", "\x1b[31m"), "column ID: '\\x1b[31m': a name"),
        (lambda frame: frame.rename(columns={"ID": "Id"}), "unknown column 'Id'; expected columns pix1..pixN"),
        (lambda frame: frame.assign(label=0), "unknown column 'label'"),
    ],
)
def test_an_invalid_unlabelled_table_is_refused_with_line_and_column(
    evaluate: pd.DataFrame, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(evaluate).to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_pixels(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty; expected columns"),
        (b"label,pix1\n1,2\n1,2,3\n", "line 3: 2 cells expected, 3 found"),
        (b"label,pix1\n1,2,3\n1,2,3\n", "line 2: 2 cells expected, 3 found"),
        (b"label,pix1\n1\n", "line 2: 2 cells expected, 1 found"),
        (b"label,pix1\n1,2\n\n1,2\n", "line 3: blank; remove it"),
        (b"label,pix1,pix1\n1,2,3\n", "duplicate column pix1"),
        (b"label,pix1\n1,\xff\xfe\n", "not UTF-8"),
        (b"\x00\x01\x02", "unknown column"),
        (b"label,pix1\n1,\x00\n", r"line 2, column pix1: '\x00' is not a grey level"),
        (b'label,pix1\n"1\n",1\n1,x\n', "line 2: a quote is not closed in its line"),
        (b'label,pix1\n1,"2\n1,2\n', "line 2: a quote is not closed in its line"),
        (b"label,pix1\n1," + b"x" * 200_000 + b"\n1,2,3\n", "line 2, column pix1: 'xxx"),
        ("label,pix1\n1,2\n".encode("utf-16"), "not UTF-8"),
        (b"label,pix1\n3000000000000000000000,2\n", "line 2, column label"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(path: Path, text: bytes, message: str) -> None:
    path.write_bytes(text)
    with pytest.raises(InputError) as error:
        read_labelled(path, CLASSES)
    assert message in str(error.value)


def test_a_missing_table_is_refused_with_a_remedy(path: Path) -> None:
    with pytest.raises(InputError, match="no such file; put it there, or set ingest.source"):
        read_labelled(path, CLASSES)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(train: pd.DataFrame, path: Path) -> None:
    path.write_text(train.to_csv(index=False, lineterminator="\r\n"), encoding="utf-8-sig", newline="")
    assert len(read_labelled(path, CLASSES)[0]) == 10


def test_labels_above_255_are_kept(images: np.ndarray, path: Path) -> None:
    names = [f"class {number}" for number in range(300)]
    table(images[:3], label=["299", "0", "256"]).to_csv(path, index=False)
    assert read_labelled(path, names)[1].tolist() == [299, 0, 256]


def test_column_names_with_digits_beyond_ascii_are_refused(path: Path) -> None:
    path.write_text("label,pix1,pix2,pix3,pix\u0664\n1,1,1,1,1\n2,1,1,1,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="unknown column 'pix\u0664'"):
        read_labelled(path, None)


def test_quoted_cells_are_read_as_unquoted_ones(train: pd.DataFrame, images: np.ndarray, path: Path) -> None:
    train.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    np.testing.assert_array_equal(read_labelled(path, CLASSES)[0], images[::40])


@pytest.mark.parametrize("cell", ["7", "7.0", "7.", "+7", "07", " 7", "7e0", "7.000000000000000000e+00"])
def test_integers_may_be_written_as_floats(train: pd.DataFrame, path: Path, cell: str) -> None:
    with_cell(3, "pix5", cell)(train).to_csv(path, index=False)
    assert read_labelled(path, CLASSES)[0][3, 0, 0, 4] == 7


@pytest.mark.parametrize("cell", ["0.5", "nan", "inf", "256.0", "-1.0", "1_0", "٣", "dark", ""])
def test_other_floats_are_refused_with_line_and_column(train: pd.DataFrame, path: Path, cell: str) -> None:
    with_cell(3, "pix5", cell)(train.astype(float)).to_csv(path, index=False)
    with pytest.raises(InputError, match="line 5, column pix5: .*; expected an integer from 0 to 255"):
        read_labelled(path, CLASSES)


@pytest.mark.parametrize("text", ["ID,pix1\n0,7\n", "pix1\n7\n", "pix1,label\n7,cat\n", "pix1,label\n7,\n"])
def test_images_to_classify_need_neither_ids_nor_labels(path: Path, text: str) -> None:
    path.write_text(text)
    images, ids = read_pixels(path)
    assert (images.tolist(), ids) == ([[[[7]]]], ["0"])


def test_a_cell_far_down_is_refused_with_its_line(path: Path) -> None:
    path.write_text("label,pix1\n" + "1,2\n" * 60_000 + "1,x\n")
    with pytest.raises(InputError, match="line 60002, column pix1: 'x'"):
        read_labelled(path, None)


def test_results_are_contiguous_and_writable(train: pd.DataFrame, path: Path) -> None:
    train.to_csv(path, index=False)
    images, labels, _ = read_labelled(path, CLASSES)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert images.flags.writeable
    assert labels.dtype == np.int64


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("place", [0, 784])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_mnist_as_they_are_on_the_web_are_read(
    images: np.ndarray, labels: np.ndarray, path: Path, first: int, place: int, separator: str
) -> None:
    pixels = pd.DataFrame(images[::40].reshape(10, -1), columns=[f"pixel{first + n}" for n in range(784)])
    pixels.insert(place, "label", labels[::40])
    pixels.to_csv(path, index=False, sep=separator)
    read, read_labels, _ = read_labelled(path, CLASSES)
    np.testing.assert_array_equal(read, images[::40])
    np.testing.assert_array_equal(read_labels, labels[::40])


@pytest.fixture
def colour() -> np.ndarray:
    """Give 20 tiles of 12 x 20 pixels of a photograph of a temple, in colour: uint8 of 20 x 3 x 12 x 20."""
    photograph = load_sample_image("china.jpg")
    tiles = [photograph[top : top + 12, 100:120] for top in range(0, 240, 12)]
    return np.stack(tiles).transpose(0, 3, 1, 2)


def test_columns_by_channel_are_images_in_colour(colour: np.ndarray, path: Path) -> None:
    square = colour[..., :12]
    columns = [f"pix{number}_{channel}" for number in range(1, 145) for channel in "rgb"]
    table = pd.DataFrame(square.transpose(0, 2, 3, 1).reshape(20, -1), columns=columns).assign(ID=range(20))
    table[table.columns[::-1]].to_csv(path, index=False)
    np.testing.assert_array_equal(read_pixels(path)[0], square)


def test_the_shape_may_be_set(colour: np.ndarray, path: Path) -> None:
    table(colour.transpose(0, 2, 3, 1), ID=range(20)).to_csv(path, index=False)
    np.testing.assert_array_equal(read_pixels(path, [12, 20, 3])[0], colour)
    table(colour[:, 0], ID=range(20)).to_csv(path, index=False)
    np.testing.assert_array_equal(read_pixels(path, [12, 20])[0], colour[:, :1])


def test_a_shape_that_does_not_fit_the_columns_is_refused(images: np.ndarray, path: Path) -> None:
    table(images[:3], ID=range(3)).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"784 columns of pixels, but ingest.shape in params.yaml is 28 x 29"):
        read_pixels(path, [28, 29])
    table(images[:3, :, 1:], ID=range(3)).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"756 pixels are not a square image; set ingest.shape in params.yaml"):
        read_pixels(path)


def frame(channels: int, height: int, width: int) -> Frame:
    size = {"height": height, "width": width, "content_height": height, "content_width": width}
    return Frame.model_validate({"channels": channels, "enlarge": True, "background": [0] * channels} | size)


@pytest.mark.parametrize("enlarged", [1, 2, 3.5])
def test_images_to_label_have_the_proportions_and_channels_of_the_model(
    colour: np.ndarray, path: Path, enlarged: float
) -> None:
    height, width = round(12 * enlarged), round(20 * enlarged)
    table(colour.transpose(0, 2, 3, 1)).to_csv(path, index=False)
    np.testing.assert_array_equal(read_pixels(path, frame(3, height, width))[0], colour)
    for channels in (1, 3):
        table(colour[:, 0]).to_csv(path, index=False)
        np.testing.assert_array_equal(read_pixels(path, frame(channels, height, width))[0], colour[:, :1])


def test_images_to_label_may_be_square_unless_the_proportions_of_the_model_fit(images: np.ndarray, path: Path) -> None:
    table(images[:3]).to_csv(path, index=False)
    for channels in (1, 3):
        assert read_pixels(path, frame(channels, 24, 40))[0].shape == (3, 1, 28, 28)
    assert read_pixels(path, frame(1, 14, 56))[0].shape == (3, 1, 14, 56)


def test_images_to_label_of_another_shape_are_refused(images: np.ndarray, path: Path) -> None:
    table(images[:3, :, 1:]).to_csv(path, index=False)
    with pytest.raises(InputError, match="756 columns of pixels are neither a square image nor .* give the images as"):
        read_pixels(path, frame(1, 28, 28))


def test_a_grey_model_takes_tables_in_colour(colour: np.ndarray, path: Path) -> None:
    table(colour.transpose(0, 2, 3, 1)).to_csv(path, index=False)
    np.testing.assert_array_equal(read_pixels(path, frame(1, 24, 40))[0], colour)


def test_a_grey_model_takes_a_table_that_may_be_grey_as_grey(images: np.ndarray, path: Path) -> None:
    table(images[:3, :, :27, :27]).to_csv(path, index=False)  # as many pixels as 27 x 9 in colour
    assert read_pixels(path, frame(1, 60, 20))[0].shape == (3, 1, 27, 27)


@pytest.mark.parametrize("written", [["01", "02", "03"], ["1.0", "2.0", "3.0"], ["1", "2", "3"]])
@pytest.mark.parametrize("classes_from", [None, "train.csv"])
def test_a_number_that_is_the_name_of_a_class_is_no_position(
    images: np.ndarray, path: Path, written: list[str], classes_from: str | None
) -> None:
    table(images[:3], label=written).to_csv(path, index=False)
    assert read_labelled(path, ["1", "2", "3"], classes_from=classes_from)[1].tolist() == [0, 1, 2]


def test_numbers_are_positions_among_the_classes_of_the_settings_if_not_all_are_names(
    images: np.ndarray, path: Path
) -> None:
    table(images[:3], label=[0, 1, 2]).to_csv(path, index=False)
    assert read_labelled(path, ["1", "2", "3"])[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("label", ["boot", "0"])
def test_a_label_that_the_training_table_lacks_is_refused_with_its_name(
    images: np.ndarray, path: Path, label: str
) -> None:
    table(images[:3], label=["1", "2", label]).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"line 4, .*unknown label '{label}'; no class of train.csv; add images of it"):
        read_labelled(path, ["1", "2"], classes_from="train.csv")


@pytest.mark.parametrize("columns", [{}, {"ID": ["a", "b", "c"]}])
def test_a_table_without_labels_is_refused_with_the_place_for_it(
    images: np.ndarray, path: Path, columns: dict[str, list[str]]
) -> None:
    table(images[:3], **columns).to_csv(path, index=False)
    with pytest.raises(InputError, match="a table of images to be labelled is evaluate.csv"):
        read_labelled(path, CLASSES)


def test_the_line_of_names_may_be_as_long_as_the_largest_images_in_colour_need(path: Path) -> None:
    count = 224 * 224
    names = ",".join(f'"pixel{number}_{channel}"' for number in range(1, count + 1) for channel in "rgb")
    path.write_text(names + "\n" + ",".join(["7"] * (3 * count)) + "\n")
    assert read_pixels(path)[0].shape == (1, 3, 224, 224)
    path.write_text(names + "," + "x" * 1_000_000)
    with pytest.raises(InputError, match="line 1: over 3,000,000 characters"):
        read_pixels(path)
