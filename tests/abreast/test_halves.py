"""`abreast repro` after a DVC that was killed while it wrote."""

import re
from pathlib import Path

import pytest

from abreast import halves
from clone import run
from dvc_project import abreast, make, ran, results, slow

CHAIN = {
    "dvc.yaml": """
        stages:
          one: {cmd: python join.py in.txt one.txt, deps: [in.txt], outs: [one.txt]}
          two: {cmd: python join.py one.txt two.txt, deps: [one.txt], outs: [two.txt]}
          three: {cmd: python join.py two.txt three.txt, deps: [two.txt], outs: [three.txt]}
        """
}


def test_what_is_left_of_its_note_of_processes_stops_no_run(tmp_path: Path) -> None:
    make(tmp_path, slow(0, 1))
    run(tmp_path, "dvc", "status", status=None)
    (tmp_path / ".dvc/tmp/rwlock").write_text("")
    assert ran(abreast(tmp_path)) == {"s0"}


def test_where_locks_of_dvc_are_hard_links_none_of_ours_is_in_their_way(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(0, 1))
    run(folder, "dvc", "config", "core.hardlink_lock", "true")
    assert ran(abreast(folder)) == {"s0"}
    assert abreast(folder) == "Everything is up to date.\n"
    run(folder, "dvc", "repro", "--force")


@pytest.mark.parametrize("last", ["", "two.txt\n    dep", "size: "])
def test_a_half_written_lock_is_mended_and_what_it_lost_comes_out_of_the_cache(last: str, tmp_path: Path) -> None:
    folder = make(tmp_path, CHAIN)
    abreast(folder)
    before, lock = results(folder), folder / "dvc.lock"
    whole = lock.read_text()
    half = whole[: whole.rindex(last) + len(last)] if last else ""
    lock.write_text(half)
    (folder / "join.py").write_text("raise SystemExit('it ran again')")
    assert "dvc.lock: broken off where DVC was killed while it wrote; " in abreast(folder)
    assert {**results(folder), "join.py": before["join.py"]} == before
    assert (folder / ".dvc/tmp/damaged/dvc.lock").read_text() == half


def test_a_dry_run_mends_no_lock(tmp_path: Path) -> None:
    folder = make(tmp_path, CHAIN)
    lock = folder / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  one")
    assert abreast(folder, "--dry", status=2) == "error: './dvc.lock' validation failed\n"
    assert lock.exists()


def test_a_lock_with_conflicts_of_a_merge_is_left_as_it_is(tmp_path: Path) -> None:
    folder = make(tmp_path, CHAIN)
    abreast(folder)
    lock, line = folder / "dvc.lock", "    cmd: python join.py two.txt three.txt\n"
    conflict = lock.read_text().replace(line, f"<<<<<<< ours\n{line}=======\n{line}>>>>>>> theirs\n")
    lock.write_text(conflict)
    said = abreast(folder, status=2)
    assert said.startswith("error: unable to read: 'dvc.lock'")
    assert len(said.splitlines()) == 1
    assert lock.read_text() == conflict


ONE = "schema: '2.0'\nstages:\n  one:\n    cmd: a\n"


@pytest.mark.parametrize(
    ("text", "half"),
    [
        ("", True),
        ("schema: '2.", True),
        ("schema: '2.0'\nstages:\n", True),
        (f"{ONE}  tw", True),
        (f"{ONE}  two:\n", True),
        (f"{ONE}    outs:\n    - path: a\n      hash: md5\n", True),
        (f"{ONE}    outs:\n    - path: a\n      md5: f\n", True),
        (f"{ONE}    outs:\n    - path: a\n      md5: f.dir\n      size: 3\n", True),
        (ONE, False),
        (f"{ONE}    other: 3\n", False),
        (f"{ONE}    outs:\n    - path: a\n      etag: f\n", False),
        (f"{ONE}datasets:\n- name: b\n  type: dvc", False),
        (f"{ONE}<<<<<<< ours\n  two", False),
        (ONE.replace("2.0", "3.0"), False),
        ("<html>: oops [", False),
    ],
)
def test_what_is_no_beginning_of_a_lock_is_left_to_dvc(text: str, *, half: bool) -> None:
    assert halves.is_half(text) == half


def test_a_folder_that_cannot_take_the_copy_is_named_in_a_line(tmp_path: Path) -> None:
    folder = make(tmp_path, CHAIN)
    (folder / "dvc.lock").write_text("schema")
    (folder / ".dvc/tmp").mkdir()
    (folder / ".dvc/tmp/damaged").write_text("in the way")
    said = abreast(folder, status=2)
    assert re.fullmatch(r"error: .*\.dvc/tmp/damaged: File exists; mend that, and run again\n", said)
    assert (folder / "dvc.lock").read_text() == "schema"
