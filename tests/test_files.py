"""Test atomic writes, and the formats that `fashion.files` reads and writes."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from fashion.errors import InputError
from fashion.files import (
    atomic_write,
    read_array,
    with_section,
    write_array,
    write_array_in_parts,
    write_json,
    write_rows,
)


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


def test_no_byte_of_an_array_is_lost_without_an_error(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_array(tmp_path / "labels.npy", np.zeros(8160, np.uint8))  # and 128 bytes of header
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"accuracy": 0.9})
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "accuracy": 0.9\n}\n'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room on its disk"),
        (errno.EDQUOT, "make room on its disk"),
        (errno.EROFS, "take the project to a disk that can be written to"),
        (errno.EACCES, "give yourself the right to write there"),
        (errno.EIO, "check its disk, which reports an error"),
    ],
)
def test_an_error_of_the_disk_names_the_file_and_the_remedy(tmp_path: Path, number: int, remedy: str) -> None:
    path = tmp_path / "figures.json"
    with pytest.raises(InputError) as raised, atomic_write(path):
        raise OSError(number, os.strerror(number))
    assert str(raised.value) == f"{path}: cannot be written; {remedy}, and run again"


@pytest.mark.parametrize(
    ("setting", "sync", "syncs"), [(None, True, 2), ("1", True, 2), ("0", True, 0), ("1", False, 0)]
)
def test_the_file_and_its_folder_are_synced_unless_that_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None, sync: bool, syncs: int
) -> None:
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    monkeypatch.delenv("FASHION_FSYNC")
    if setting:
        monkeypatch.setenv("FASHION_FSYNC", setting)
    with atomic_write(tmp_path / "figures.json", sync=sync) as temporary:
        temporary.write_text("{}")
    assert len(synced) == syncs
    assert (tmp_path / "figures.json").read_text() == "{}"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL])
def test_a_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("FASHION_FSYNC", "1")
    monkeypatch.setattr(os, "open", refuse)  # only folders are opened with it
    write_json(tmp_path / "figures.json", {})
    assert (tmp_path / "figures.json").read_text() == "{}\n"


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
