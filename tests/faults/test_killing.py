"""Kill runs of the pipeline: the next run continues, and ends with the bytes of a run that was not killed.

Without KILLS, abreast is killed once, when the first model is written. With KILLS=n, abreast, DVC or a stage is killed
n times at random moments, which depend on SEED. `make faults` takes 100 and prints a line for each kill. For kills
before single calls of a stage, see test_every_write.py.
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

KILLS = int(os.environ.get("KILLS", "0"))
SEED = int(os.environ.get("SEED", "0"))
MAX_DELAY = 25  # seconds from the start of a run to the kill
MAX_CLEANUP = 60  # seconds that processes may take to end after a kill
ABREAST, DVC = ["abreast", "repro", "--jobs", "2"], ["dvc", "repro"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
OUTPUTS = ("data/ingested", "data/split", "data/augmented", "data/histories", "data/evaluated", "data/layers", "models")


def processes_in(project: Path) -> list[psutil.Process]:
    """List the processes whose current directory is the project."""
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project)]


def run_and_kill(project: Path, command: list[str], generator: random.Random) -> str | None:
    """Start a run, and kill its process or one of its child processes, DVC or a stage, after a random delay.

    Returns a description of the kill; None if the run ended before it.
    """
    signal_, delay = generator.choice(SIGNALS), generator.uniform(0, MAX_DELAY)
    with subprocess.Popen(command, cwd=project, env=ENVIRONMENT, start_new_session=True, **QUIET) as process:
        try:
            assert process.wait(delay) == 0, f"{' '.join(command)} failed, and nothing was killed"
            return None
        except subprocess.TimeoutExpired:
            parent = psutil.Process(process.pid)
            target = generator.choice([parent, *parent.children(recursive=True)])
            try:
                name = " ".join(target.cmdline()[:4])
                target.send_signal(signal_)
            except psutil.NoSuchProcess:
                return f"{delay:.1f} s: nothing, as it had just ended"
            if target.pid != process.pid:  # the run continues, without the stages that depend on the killed one
                process.wait(600)
            process.wait(MAX_CLEANUP)
    return f"{delay:.1f} s: {signal_.name} to {name}, of {' '.join(command)}"


def contents(project: Path) -> dict[str, bytes]:
    """Read all outputs, by path, without temporary files."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for folder in (*OUTPUTS, "metrics", "plots")
        for path in (project / folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def entries(text: str) -> dict[str, dict]:
    """Parse the entries of a lock."""
    return YAML(typ="safe").load(text)["stages"] if text else {}


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def restore(project: Path, before: str, full: dict[str, dict]) -> None:
    """Repair dvc.lock and rwlock as a user does; a killed `dvc repro` may leave them incomplete, as it overwrites them.

    before: dvc.lock before the run; for a user, `git checkout dvc.lock` gives the committed one. full: entries of the
    lock of a run that was not killed.
    """
    lock, rwlock = project / "dvc.lock", project / ".dvc/tmp/rwlock"
    if lock.exists() and is_partial(read(lock), before, full):
        print("   dvc.lock was partly written", flush=True)
        lock.write_text(before, encoding="utf-8")
        if not before:
            lock.unlink()
    if rwlock.exists() and not is_json(rwlock):
        rwlock.unlink()


def is_partial(text: str, before: str, full: dict[str, dict]) -> bool:
    """Tell whether the end of a lock is missing: it is no YAML, its last entry is cut off, or entries are lost."""
    try:
        found = entries(text)
    except (YAMLError, KeyError, TypeError):
        return True
    if not found or not entries(before).keys() <= found.keys():
        return True
    last = next(reversed(found))
    return found[last] != full[last]


def is_json(file: Path) -> bool:
    try:
        json.loads(read(file))
    except ValueError:
        return False
    return True


def remove_outputs(project: Path) -> None:
    """Remove outputs, lock, checkpoints, and the caches of DVC and abreast."""
    for folder in (*OUTPUTS, ".dvc/cache", ".dvc/tmp/abreast", "checkpoints"):
        shutil.rmtree(project / folder, ignore_errors=True)
    (project / "dvc.lock").unlink(missing_ok=True)


def test_a_run_killed_when_a_model_is_written_continues_to_the_same_bytes(project: Path) -> None:
    expected, lock = contents(project), entries(read(project / "dvc.lock"))
    remove_outputs(project)
    with subprocess.Popen(ABREAST, cwd=project, env=ENVIRONMENT, start_new_session=True, **QUIET) as process:
        for _ in poll(600, "no model was written"):
            assert process.poll() is None, "the run ended"
            if list(project.glob("models/*.safetensors")):
                break
        process.kill()
    require_valid(project, expected, lock, "killed when a model was written")
    finish(project, expected, lock)


@pytest.mark.skipif(KILLS == 0, reason="takes long: `make faults`")
@pytest.mark.timeout(20 * 60 + 60 * KILLS)
def test_runs_killed_at_random_moments_continue_to_the_same_bytes(project: Path) -> None:
    expected, lock = contents(project), entries(read(project / "dvc.lock"))
    generator = random.Random(SEED)
    kills = 0
    remove_outputs(project)
    while kills < KILLS:
        command, before = generator.choice([ABREAST, DVC]), read(project / "dvc.lock")
        kill = run_and_kill(project, command, generator)
        if kill is None:  # the pipeline is complete: compare it, and start from the beginning
            finish(project, expected, lock)
            remove_outputs(project)
            continue
        kills += 1
        print(f"{kills}: {kill}", flush=True)
        if command == DVC:
            wait_for_end(project, kill)
            restore(project, before, lock)
        require_valid(project, expected, lock, kill)
    finish(project, expected, lock)


def wait_for_end(project: Path, moment: str) -> None:
    for _ in poll(MAX_CLEANUP, f"{moment}: left running"):
        if not processes_in(project):
            return


def require_valid(project: Path, expected: dict[str, bytes], lock: dict[str, dict], moment: str) -> None:
    """Require that no process is left, and that all files and lock entries are those of a run that was not killed."""
    wait_for_end(project, moment)
    if (rwlock := project / ".dvc/tmp/rwlock").exists():
        assert is_json(rwlock), moment
    found = contents(project)
    assert {path for path, content in found.items() if content != expected[path]} == set(), moment
    locked = entries(read(project / "dvc.lock"))
    assert {name for name, entry in locked.items() if entry != lock[name]} == set(), moment


def finish(project: Path, expected: dict[str, bytes], lock: dict[str, dict]) -> None:
    """Run to the end, and compare all files and lock entries with those of a run that was not killed."""
    run(project, *ABREAST)
    assert contents(project) == expected
    assert entries(read(project / "dvc.lock")) == lock


def poll(seconds: float, error: str) -> Iterator[None]:
    """Yield several times a second; after the given time, fail with the error.

    >>> for _ in poll(60, "no file was written"):
    ...     if path.exists():
    ...         break
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.2)
    raise AssertionError(error)
