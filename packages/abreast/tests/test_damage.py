"""`abreast repro --verify` on projects with damaged files."""

import errno
import os
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from abreast.check import damage
from abreast.errors import AbreastError
from damaging import flip_a_bit
from dvc_project import abreast, abreast_in_process, made_once, make, ran, results, run

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

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


def make_project(folder: Path) -> None:
    make(folder, PIPELINE)
    abreast(folder)


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a project that ran, with DVC's record of file states."""
    folder = shutil.copytree(made_once(tmp_path_factory, "undamaged", make_project), tmp_path / "project")
    assert abreast_in_process(folder, "repro", "--dry") == "Everything is up to date.\n"
    return folder


def in_cache(folder: Path, stage: str) -> Path:
    lock = YAML(typ="safe").load(folder / "dvc.lock")
    checksum = lock["stages"][stage]["outs"][0]["md5"]
    return folder / ".dvc/cache/files/md5" / checksum[:2] / checksum[2:]


@pytest.mark.parametrize(("damaged", "out"), [("parts/a.txt", "parts/a.txt"), ("many/b/c.txt", "many")])
def test_a_flipped_bit_is_found_and_the_stage_runs_again(damaged: str, out: str, folder: Path) -> None:
    before = results(folder)
    flip_a_bit(folder / damaged)
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"
    output = abreast(folder, "--verify")
    assert f"{out}: damaged on disk; moved to .dvc/tmp/abreast/damaged; its stage runs again\n" in output
    assert (folder / ".dvc/tmp/abreast/damaged" / out).exists()
    assert results(folder) == before
    assert abreast(folder, "--verify") == "Everything is up to date.\n"


def test_an_output_from_a_damaged_cache_file_is_made_again_in_both_places(folder: Path) -> None:
    before, cached = results(folder), in_cache(folder, "one")
    sound = cached.read_bytes()
    flip_a_bit(cached)
    (folder / "one.txt").unlink()
    run(folder, "dvc", "checkout", "--quiet")
    assert "one.txt: damaged on disk" in abreast(folder, "--verify")
    assert results(folder) == before
    assert cached.read_bytes() == sound


def test_an_edited_output_is_not_moved(folder: Path) -> None:
    with (folder / "one.txt").open("a") as file:
        file.write("by hand\n")
    output = abreast(folder, "--verify")
    assert "damaged" not in output
    assert "one" in ran(output)


@pytest.mark.parametrize(
    ("fault", "found"),
    [(errno.EIO, "parts/a.txt"), (errno.EACCES, "parts/a.txt: Permission denied; fix this and run again")],
)
def test_an_unreadable_output_is_damaged_and_a_forbidden_one_is_an_error(
    fault: int, found: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a damaged disk is simulated."""

    def read(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault), "parts/a.txt")

    monkeypatch.setattr(damage, "build", read)
    with chdir(folder), Repo() as repo, repo.lock:
        outs = repo.stage.load_one(name="part").outs
        try:
            output = str(damage.set_aside(outs)[0])
        except AbreastError as error:
            output = str(error)
    assert output == found
    assert (folder / "parts/a.txt").exists() == (fault != errno.EIO)


@pytest.mark.parametrize("step", ["remove_damaged_cache_files", "remove"])
def test_an_interrupted_move_of_a_damaged_output_is_repeated(
    step: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else DVC would restore the damaged file from its cache."""
    real = getattr(damage, step)

    def interrupt(what: object) -> None:
        if what == folder / "one.txt" or step == "remove_damaged_cache_files":
            raise KeyboardInterrupt
        real(what)

    flip_a_bit(folder / "one.txt")
    with chdir(folder), Repo() as repo, repo.lock:
        outs = repo.stage.load_one(name="one").outs
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(damage, step, interrupt)
            damage.set_aside(outs)
        assert damage.set_aside(outs) == [Path("one.txt")]


def test_a_dry_run_moves_no_damaged_output(folder: Path) -> None:
    flip_a_bit(folder / "one.txt")
    assert abreast_in_process(folder, "repro", "--verify", "--dry") == "Everything is up to date.\n"
    assert not (folder / ".dvc/tmp/abreast/damaged").exists()


def test_the_damaged_output_of_a_frozen_stage_is_not_moved(folder: Path) -> None:
    run(folder, "dvc", "freeze", "one")
    flip_a_bit(folder / "one.txt")
    abreast(folder, "--verify")
    assert (folder / "one.txt").exists()


def test_a_damaged_output_is_made_again_with_allow_missing(folder: Path) -> None:
    before = results(folder)
    flip_a_bit(folder / "one.txt")
    assert "one.txt: damaged" in abreast(folder, "--verify", "--allow-missing")
    assert results(folder) == before
