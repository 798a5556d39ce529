"""Small DVC projects, and runs of them by `abreast`."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from ruamel.yaml import YAML

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,  # no setting of the user's decides
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


def run(folder: Path, *command: str, status: int | None = 0, environment: dict[str, str] | None = None) -> str:
    """Run a command in a project; give what it printed, and require its exit status if one is named."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT | (environment or {}), capture_output=True, text=True, timeout=600
    )
    output = done.stdout + done.stderr
    assert status is None or done.returncode == status, output
    return output


def make(folder: Path, files: dict[str, str]) -> Path:
    """Make a DVC project with these files, join.py and in.txt."""
    by_dvc_init = {".dvc/config": "", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"}
    for name, text in {**by_dvc_init, "join.py": JOIN, "in.txt": "in\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    run(folder, "git", "init", "--quiet")
    return folder


def results(folder: Path) -> dict[str, list[bytes]]:
    """Give the lines of all files but those of git, DVC and the runner's own."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    own = (".git/", ".dvc/")
    lines = {str(path.relative_to(folder)): path.read_bytes().splitlines(keepends=True) for path in files}
    return {place: text for place, text in lines.items() if not place.startswith(own)}


def abreast(folder: Path, *arguments: str, command: str = "repro", status: int = 0) -> str:
    return run(folder, "abreast", command, *arguments, status=status)


def beside_dvc(
    folder: Path,
    files: dict[str, str],
    *arguments: str,
    command: Sequence[str] = ("abreast",),
    environment: dict[str, str] | None = None,
    before: Callable[[Path], object] = lambda _: None,
) -> Path:
    """Run a project by `dvc repro` in plain/ and by `abreast repro` in ours/; require the same bytes, and give ours/.

    before: changes the project before it is run.
    """
    plain = make(folder / "plain", files)
    before(plain)
    ours = shutil.copytree(plain, folder / "ours", symlinks=True)
    run(plain, "dvc", "repro")
    run(ours, *command, "repro", *arguments, environment=environment)
    assert results(ours) == results(plain)
    return ours


def entries(folder: Path) -> list[str]:
    if not (folder / "dvc.lock").exists():
        return []
    return list(YAML(typ="safe").load(folder / "dvc.lock")["stages"])


def stages_run(output: str) -> set[str]:
    """Name the stages that DVC says it ran."""
    return set(re.findall(r"Running stage '(.+)'", output))


def ran(output: str) -> set[str]:
    """Name the stages that `abreast` says it ran."""
    return set(re.findall(r"^(.+): done in ", output, re.MULTILINE))


def slow(seconds: float, count: int, **more: str) -> dict[str, str]:
    """Write a project of so many stages that wait and then write; `more` adds to those that it names."""
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
    """Start a run in a project; a file gets what it prints."""
    line = ["abreast", command, *arguments]
    with output.open("w") as file:
        return subprocess.Popen(line, cwd=folder, env=ENVIRONMENT | (environment or {}), stdout=file, stderr=file)


def at_work(folder: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
