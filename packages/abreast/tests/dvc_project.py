"""Make small DVC projects and run them; used by all tests."""

import fcntl
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,  # no settings of the user
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}
LOGS = ".dvc/tmp/abreast/logs"
DURATIONS = ".dvc/tmp/abreast/durations.json"
JOIN = """
import pathlib, sys
*sources, target = map(pathlib.Path, sys.argv[1:])
files = [file for source in sources for file in (sorted(source.rglob("*.txt")) if source.is_dir() else [source])]
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text("".join(file.read_text() for file in files) + target.name + "\\n")
"""
FAILING = {
    "dvc.yaml": """
        stages:
          bad: {cmd: echo it broke; false, deps: [in.txt], outs: [bad.txt]}
          after: {cmd: python join.py bad.txt after.txt, deps: [bad.txt], outs: [after.txt]}
          good: {cmd: python join.py in.txt good.txt, deps: [in.txt], outs: [good.txt]}
        """
}


def nightly(*values: str) -> list[Any]:
    """Return parameters of tests that run only with `-m nightly`."""
    return [pytest.param(value, marks=pytest.mark.nightly) for value in values]


def run(folder: Path, *command: str, status: int | None = 0, environment: dict[str, str] | None = None) -> str:
    """Run a command in a project, check its exit status unless `status` is None, and return its output."""
    completed = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT | (environment or {}), capture_output=True, text=True, timeout=600
    )
    output = completed.stdout + completed.stderr
    assert status is None or completed.returncode == status, output
    return output


def make(folder: Path, files: dict[str, str]) -> Path:
    """Make a DVC project with these files, join.py and in.txt."""
    dvc_files = {".dvc/config": "", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"}
    for name, text in {**dvc_files, "join.py": JOIN, "in.txt": "in\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    run(folder, "git", "init", "--quiet")
    return folder


def made_once(factory: pytest.TempPathFactory, name: str, make_folder: Callable[[Path], object]) -> Path:
    """Make a folder once for all pytest processes of this run, and return it; tests must not change it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / name).exists():
            shutil.rmtree(base / f"{name}.part", ignore_errors=True)
            make_folder(base / f"{name}.part")
            (base / f"{name}.part").rename(base / name)
    return base / name


def results(folder: Path) -> dict[str, list[bytes]]:
    """Return the lines of all files except those in .git and .dvc, by path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    excluded = (".git/", ".dvc/")
    lines = {str(path.relative_to(folder)): path.read_bytes().splitlines(keepends=True) for path in files}
    return {place: text for place, text in lines.items() if not place.startswith(excluded)}


def abreast(folder: Path, *arguments: str, command: str = "repro", status: int = 0) -> str:
    return run(folder, "abreast", command, *arguments, status=status)


def abreast_in_process(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run a command that runs no stage in this process, which saves a second of imports; return its output."""
    from abreast.command import main

    printed = io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with chdir(folder), redirect_stdout(printed), redirect_stderr(printed):
            assert main([*arguments]) == status, printed.getvalue()
    finally:
        signal.signal(signal.SIGTERM, handler)
    return printed.getvalue()


def compare_with_dvc(
    folder: Path,
    files: dict[str, str],
    *arguments: str,
    command: Sequence[str] = ("abreast",),
    environment: dict[str, str] | None = None,
    before: Callable[[Path], object] = lambda _: None,
) -> Path:
    """Run a project by `dvc repro` and by `abreast repro`, and require the same files; return the folder of abreast.

    before: changes the project before both runs.
    """
    by_dvc = make(folder / "by_dvc", files)
    before(by_dvc)
    by_abreast = shutil.copytree(by_dvc, folder / "by_abreast", symlinks=True)
    run(by_dvc, "dvc", "repro")
    run(by_abreast, *command, "repro", *arguments, environment=environment)
    assert results(by_abreast) == results(by_dvc)
    return by_abreast


def entries(folder: Path) -> list[str]:
    if not (folder / "dvc.lock").exists():
        return []
    return list(YAML(typ="safe").load(folder / "dvc.lock")["stages"])


def stages_run(output: str) -> set[str]:
    """Return the stages that DVC ran, from its output."""
    return set(re.findall(r"Running stage '(.+)'", output))


def ran(output: str) -> set[str]:
    """Return the stages that abreast ran, from its output."""
    return set(re.findall(r"^(.+): done in ", output, re.MULTILINE))


def slow(seconds: float, count: int, **more: str) -> dict[str, str]:
    """Return the files of a project of `count` stages that sleep and then write; `more` extends the stages it names."""
    wait = f"import sys, time\ntime.sleep({seconds})\nopen(sys.argv[1], 'w').write('x')\n"
    lines = [
        f"  {name}: {{cmd: python wait.py {name}.txt, deps: [in.txt], outs: [{name}.txt]{more.get(name, '')}}}\n"
        for name in (f"s{number}" for number in range(count))
    ]
    return {"wait.py": wait, "dvc.yaml": "stages:\n" + "".join(lines)}


def start(
    folder: Path,
    *arguments: str,
    command: str = "repro",
    output: Path = Path(os.devnull),
    environment: dict[str, str] | None = None,
) -> subprocess.Popen:
    """Start a run in a project; its output goes to a file."""
    line = ["abreast", command, *arguments]
    with output.open("w") as file:
        return subprocess.Popen(line, cwd=folder, env=ENVIRONMENT | (environment or {}), stdout=file, stderr=file)


def at_work(folder: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        time.sleep(0.1)
