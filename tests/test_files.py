from pathlib import Path

import numpy as np
import pytest

from fashion.files import read_array, replacing, with_section, write_array, write_array_in_parts, write_json, write_rows


def test_an_array_is_read_back_from_the_file_without_loading_it(tmp_path: Path, images: np.ndarray) -> None:
    write_array(tmp_path / "new" / "images.npy", images)
    read = read_array(tmp_path / "new" / "images.npy")
    assert isinstance(read, np.memmap)
    np.testing.assert_array_equal(read, images)


def test_an_array_written_in_parts_has_the_bytes_of_one_written_whole(tmp_path: Path, images: np.ndarray) -> None:
    write_array(tmp_path / "whole.npy", images)
    parts = (images[start : start + 100] for start in range(0, len(images), 100))
    write_array_in_parts(tmp_path / "parts.npy", parts, shape=images.shape)
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"accuracy": 0.9})
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "accuracy": 0.9\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_number_that_json_does_not_know_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "figures.json", {"accuracy": float("nan")})


def test_rows_become_csv_with_their_keys_as_header(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1e-17}])
    assert (tmp_path / "rows.csv").read_bytes() == b"epoch,loss\n1,0.1\n2,1e-17\n"


def test_a_section_of_a_page_is_made_anew_between_its_marks_and_the_rest_stays() -> None:
    page = "# Page\n<!-- speed: written by make bench -->\nold\n<!-- end of speed -->\nafter <!-- end of other -->\n"
    assert with_section(page, "speed", "n\\1w\n") == page.replace("old", "n\\1w")
    with pytest.raises(ValueError, match="no marks of other"):
        with_section(page, "other", "new")
