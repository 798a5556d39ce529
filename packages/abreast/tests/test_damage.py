"""`abreast repro --verify` on a project whose disk ages."""

import errno
import os
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from abreast.check import damage
from abreast.errors import AbreastError
from damaging import flip_a_bit
from dvc_project import abreast, make, ran, results, run

PIPELINE = {
    "dvc.yaml": """
        stages:
          one: {cmd: python join.py in.txt one.txt, deps: [in.txt], outs: [one.txt]}
          many:
            cmd: python join.py one.txt many/a.txt && python join.py one.txt many/b/c.txt
            deps: [one.txt]
            outs: [many]
          all: {cmd: python join.py many one.txt all.txt, deps: [many, one.txt], outs: [all.txt]}
          part: {cmd: python join.py in.txt parts/a.txt, deps: [in.txt], outs: [parts/a.txt]}
          whole: {cmd: python join.py parts whole.txt, deps: [parts], outs: [whole.txt]}
        """
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path, PIPELINE)
    abreast(tmp_path)
    return tmp_path


def in_cache(folder: Path, stage: str) -> Path:
    lock = YAML(typ="safe").load(folder / "dvc.lock")
    checksum = lock["stages"][stage]["outs"][0]["md5"]
    return folder / ".dvc/cache/files/md5" / checksum[:2] / checksum[2:]


@pytest.mark.parametrize(("damaged", "out"), [("parts/a.txt", "parts/a.txt"), ("many/b/c.txt", "many")])
def test_a_flipped_bit_that_dvc_does_not_see_is_found_set_aside_and_mended(
    damaged: str, out: str, folder: Path
) -> None:
    before = results(folder)
    flip_a_bit(folder / damaged)
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"
    said = abreast(folder, "--verify")
    assert f"{out}: damaged on the disk; set aside in .dvc/tmp/abreast/damaged, to be made anew\n" in said
    assert (folder / ".dvc/tmp/abreast/damaged" / out).exists()
    assert results(folder) == before
    assert abreast(folder, "--verify") == "Everything is up to date.\n"


def test_what_came_damaged_out_of_the_cache_is_made_anew_in_both_places(folder: Path) -> None:
    before, cached = results(folder), in_cache(folder, "one")
    sound = cached.read_bytes()
    flip_a_bit(cached)
    (folder / "one.txt").unlink()
    run(folder, "dvc", "checkout", "--quiet")
    assert "one.txt: damaged on the disk" in abreast(folder, "--verify")
    assert results(folder) == before
    assert cached.read_bytes() == sound


def test_what_was_edited_is_left_to_dvc_which_sees_it(folder: Path) -> None:
    with (folder / "one.txt").open("a") as file:
        file.write("by hand\n")
    said = abreast(folder, "--verify")
    assert "damaged" not in said
    assert "one" in ran(said)


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
@pytest.mark.parametrize(
    ("fault", "found"),
    [(errno.EIO, "parts/a.txt"), (errno.EACCES, "parts/a.txt: Permission denied; mend that, and run again")],
)
def test_what_the_disk_cannot_read_is_damaged_and_what_we_may_not_is_said(
    fault: int, found: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fault in place of a disk that has one."""

    def read(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault), "parts/a.txt")

    monkeypatch.setattr(damage, "build", read)
    with chdir(folder), Repo() as repo, repo.lock:
        outs = repo.stage.load_one(name="part").outs
        try:
            said = str(damage.set_aside(outs)[0])
        except AbreastError as error:
            said = str(error)
    assert said == found
    assert (folder / "parts/a.txt").exists() == (fault != errno.EIO)


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
@pytest.mark.parametrize("step", ["clear_cache", "remove"])
def test_broken_off_while_it_sets_aside_it_does_so_again(
    step: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else DVC would take the damaged file out of its cache again."""
    real = getattr(damage, step)

    def interrupt(what: object) -> None:
        if what == folder / "one.txt" or step == "clear_cache":
            raise KeyboardInterrupt
        real(what)

    flip_a_bit(folder / "one.txt")
    with chdir(folder), Repo() as repo, repo.lock:
        outs = repo.stage.load_one(name="one").outs
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(damage, step, interrupt)
            damage.set_aside(outs)
        assert damage.set_aside(outs) == [Path("one.txt")]


def test_a_dry_run_sets_nothing_aside(folder: Path) -> None:
    flip_a_bit(folder / "one.txt")
    assert abreast(folder, "--verify", "--dry") == "Everything is up to date.\n"
    assert not (folder / ".dvc/tmp/abreast/damaged").exists()


def test_a_frozen_stage_which_dvc_cannot_make_anew_keeps_its_output(folder: Path) -> None:
    run(folder, "dvc", "freeze", "one")
    flip_a_bit(folder / "one.txt")
    abreast(folder, "--verify")
    assert (folder / "one.txt").exists()


def test_what_is_damaged_is_made_anew_although_missing_data_are_allowed(folder: Path) -> None:
    before = results(folder)
    flip_a_bit(folder / "one.txt")
    assert "one.txt: damaged" in abreast(folder, "--verify", "--allow-missing")
    assert results(folder) == before
