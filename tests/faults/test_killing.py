"""Kill what runs, at any moment: the next run goes on, to the bytes of one that nothing disturbed.

KILLS says how often, SEED when and what: `make faults` takes 100, and tells of each.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from clone import ENVIRONMENT, run

KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("SEED", "0"))
LONGEST = 25  # seconds until a kill
TIDYING = 60  # seconds that what was killed may take to be gone
RUNNER, DVC = ["abreast", "repro", "--jobs", "2"], ["dvc", "repro"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MADE = ("data/ingested", "data/split", "data/augmented", "data/histories", "data/evaluated", "data/layers", "models")


def at_work(project: Path) -> list[psutil.Process]:
    """List the processes that work in a project."""
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project)]


def victims(started: psutil.Process) -> list[psutil.Process]:
    """List what a kill may hit: the command, the processes of DVC that it started, and the stages."""
    return [started, *started.children(recursive=True)]


def killed(project: Path, command: list[str], chance: random.Random) -> str | None:
    """Start a run and kill it, or something that it started, at some moment; None if the run ended before."""
    number, after = chance.choice(SIGNALS), chance.uniform(0, LONGEST)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=project, env=ENVIRONMENT, start_new_session=True, **quiet) as process:
        try:
            assert process.wait(after) == 0, f"{' '.join(command)} failed, and nothing was killed"
            return None
        except subprocess.TimeoutExpired:
            victim = chance.choice(victims(psutil.Process(process.pid)))
            try:
                name = " ".join(victim.cmdline()[:4])
                victim.send_signal(number)
            except psutil.NoSuchProcess:
                return f"{after:.1f} s: nothing, as it had just ended"
            if victim.pid != process.pid:  # the run ends by itself then, with what needs it left out
                process.wait(600)
            process.wait(TIDYING)
    return f"{after:.1f} s: {number.name} to {name}, of {' '.join(command)}"


def contents(project: Path) -> dict[str, bytes]:
    """Give all files under the names of outputs."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for folder in (*MADE, "metrics", "plots")
        for path in (project / folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def entries(text: str) -> dict[str, dict]:
    """Read the entries of a lock from its text."""
    return YAML(typ="safe").load(text)["stages"] if text else {}


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def restore(project: Path, before: str, full: dict[str, dict]) -> None:
    """Do what a user does after a plain `dvc repro` was killed while it wrote `dvc.lock` or its notes, both in place.

    before: the lock when that run began, as `git checkout dvc.lock` gives the last committed one. full: entries of the
    lock of a run that nothing disturbed.
    """
    lock, notes = project / "dvc.lock", project / ".dvc/tmp/rwlock"
    if lock.exists() and is_partial(read(lock), before, full):
        print("   dvc.lock was partly written", flush=True)
        lock.write_text(before, encoding="utf-8")
        if not before:
            lock.unlink()
    if notes.exists() and not is_json(notes):
        notes.unlink()


def is_partial(text: str, before: str, full: dict[str, dict]) -> bool:
    """Tell whether a lock lacks its end: it is no YAML, its last entry is cut off, or entries are lost."""
    try:
        there = entries(text)
    except (YAMLError, KeyError, TypeError):
        return True
    if not there or not entries(before).keys() <= there.keys():
        return True
    last = next(reversed(there))
    return there[last] != full[last]


def is_json(file: Path) -> bool:
    try:
        json.loads(read(file))
    except ValueError:
        return False
    return True


def forget(project: Path) -> None:
    """Take away what was made, and what DVC and the runner know of it."""
    for place in (*MADE, ".dvc/cache", ".dvc/tmp/abreast", "checkpoints"):
        shutil.rmtree(project / place, ignore_errors=True)
    (project / "dvc.lock").unlink(missing_ok=True)


@pytest.mark.timeout(20 * 60 + 60 * KILLS)
def test_killed_anywhere_a_run_goes_on_to_the_bytes_of_one_that_was_not(project: Path) -> None:
    undisturbed, lock = contents(project), entries(read(project / "dvc.lock"))
    chance = random.Random(SEED)
    kills = 0
    forget(project)
    while kills < KILLS:
        command, before = chance.choice([RUNNER, DVC]), read(project / "dvc.lock")
        said = killed(project, command, chance)
        if said is None:  # all is done, and must be right; from the beginning, then
            finish(project, undisturbed, lock)
            forget(project)
            continue
        kills += 1
        print(f"{kills}: {said}", flush=True)
        for _ in wait(TIDYING, f"{said}: left running"):
            if not at_work(project):
                break
        if command == DVC:
            restore(project, before, lock)
        elif (notes := project / ".dvc/tmp/rwlock").exists():
            assert is_json(notes), said
        there = contents(project)
        assert {path for path, content in there.items() if content != undisturbed[path]} == set(), said
        locked = entries(read(project / "dvc.lock"))
        assert {name for name, entry in locked.items() if entry != lock[name]} == set(), said
    finish(project, undisturbed, lock)


def finish(project: Path, undisturbed: dict[str, bytes], lock: dict[str, dict]) -> None:
    run(project, *RUNNER)
    assert contents(project) == undisturbed
    assert entries(read(project / "dvc.lock")) == lock


def wait(seconds: float, otherwise: str) -> Iterator[None]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield
        time.sleep(0.2)
    raise AssertionError(otherwise)
