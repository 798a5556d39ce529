"""Measure the overhead of a stage in `dvc repro` and `abreast repro`, on projects of stages that do nothing.

  python benchmarks/runner.py                                     takes a quarter of an hour, most of it with Dask
  python benchmarks/runner.py --stages 3 --rounds 1 --no-write    a short test

In each round, each command runs on a fresh copy of the project, and then again with nothing to do. The medians are
written to benchmarks/runner.json, the table to README.md. Needs git; with the extra `dask`, a worker of a Dask cluster
is measured, too.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).with_suffix(".json")
ROUNDS = {12: 5, 200: 3}  # by number of stages; `dvc repro` takes 40 s for 200
PYTHON = [sys.executable, "-m"]
BASELINE = "dvc repro"
ON_WORKER = "abreast repro -j 1 --scheduler"
COMMANDS = {
    BASELINE: [*PYTHON, "dvc", "repro", "--quiet"],
    "abreast repro -j 1": [*PYTHON, "abreast", "repro", "-j", "1"],
    "abreast repro -j 2": [*PYTHON, "abreast", "repro", "-j", "2"],
    ON_WORKER: [*PYTHON, "abreast", "repro", "-j", "1"],
}
STAGE = "  {name}: {{cmd: cp in.txt {name}.txt, deps: [in.txt], outs: [{name}.txt]}}\n"
CONFIG = """\
[core]
    analytics = false
    check_update = false
    remote = folder
['remote "folder"']
    url = ../../remote
"""
MANY = 50  # stages; with more, the worker, which takes minutes, has one round
LONG = 10  # expected seconds from which a stage runs on a worker
START_TIMEOUT = 60  # seconds, of a worker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--stages", type=int, nargs="+", default=[*ROUNDS], metavar="N", help="of each project (12 200)"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="for each project (5, of 200 stages 3)")
    parser.add_argument("--no-write", action="store_true", help="print the table, and write no file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runner-") as place, dask_worker(Path(place)) as scheduler:
        projects = {
            str(stages): measure(Path(place), stages, options.rounds or ROUNDS.get(stages, 3), scheduler)
            for stages in options.stages
        }
    medians = {"machine": machine(), "projects": projects}
    text = table(medians)
    if options.no_write:
        print(text)
        return
    RESULTS.write_text(json.dumps(medians, indent=1) + "\n", encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), text), encoding="utf-8")


def measure(place: Path, stages: int, rounds: int, scheduler: str | None) -> dict[str, Any]:
    """Run all commands in turn on a project with this number of stages; return the median seconds of each."""
    original = make(place / f"of_{stages}_stages", stages)
    commands = {name: [*command] for name, command in COMMANDS.items() if scheduler or name != ON_WORKER}
    if scheduler:
        durations = place / f"{stages}.json"
        durations.write_text(json.dumps({f"s{number}": LONG for number in range(stages)}), encoding="utf-8")
        commands[ON_WORKER] += ["--scheduler", scheduler, "--durations", str(durations)]
    took: dict[str, list[float]] = {name: [] for name in commands}
    idle: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(1, rounds + 1):
        for name, command in commands.items():
            if name == ON_WORKER and stages > MANY and number > 1:
                continue
            copy = shutil.copytree(
                original, place / f"{stages}_{number}"
            )  # a worker has one cache for each path of a remote
            took[name].append(seconds(command, copy / "project"))
            verify(copy / "project", stages, on_worker=name == ON_WORKER)
            idle[name].append(seconds(command, copy / "project"))
            shutil.rmtree(copy)
            print(
                f"{stages} stages, round {number} of {rounds}: {name}: {took[name][-1]:.1f} s, "
                f"with nothing to do {idle[name][-1]:.1f} s",
                flush=True,
            )
    medians = {
        name: {"all": round(statistics.median(took[name]), 3), "nothing": round(statistics.median(idle[name]), 3)}
        for name in commands
    }
    return {"rounds": rounds, "seconds": medians}


def table(results: dict[str, Any]) -> str:
    """Format the content of runner.json as Markdown: a row per command, four columns per number of stages."""
    machine, projects = results["machine"], results["projects"]
    head, align = ["command"], ["---"]
    for stages in projects:
        head += [f"{stages} stages", "a stage", "nothing to do", "ratio"]
        align += ["--:"] * 4
    rows = [head, align]
    names = list(dict.fromkeys(name for project in projects.values() for name in project["seconds"]))
    for name in names:
        row = [f"`{name}`"]
        for stages, project in projects.items():
            took, nothing = project["seconds"][name]["all"], project["seconds"][name]["nothing"]
            each, ratio = (took - nothing) / int(stages), took / project["seconds"][BASELINE]["all"]
            row += [f"{took:.1f} s", f"{each:.2f} s", f"{nothing:.1f} s", f"{ratio:.2f}"]
        rows.append(row)
    counts = [(project["rounds"], stages) for stages, project in projects.items()]
    rounds = " and ".join(f"{count} round{'s' * (count != 1)} of {stages} stages" for count, stages in counts)
    once = [stages for stages in projects if int(stages) > MANY and ON_WORKER in projects[stages]["seconds"]]
    rounds += f" (one for the worker with {' and '.join(once)} stages)" if once else ""
    left_out = "" if ON_WORKER in names else f" `{ON_WORKER}` is left out: Dask was not installed."
    caption = (
        f"Medians of {rounds}, on {machine['cores']} cores of {machine['processor']}, with Python "
        f"{machine['python']} and DVC {machine['dvc']}, {machine['date']}.{left_out}"
    )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["", *lines, "", caption, "", ""])


def with_table(page: str, text: str) -> str:
    """Replace the table between its marks in a page."""
    begin, end = "<!-- runner: written by benchmarks/runner.py -->\n", "<!-- end of runner -->"
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        sys.exit(f"error: {README}: no marks of the table: {begin.strip()}, {end}")
    return f"{before}{begin}{text}{end}{after}"


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of the measurement."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": cores,
        "python": platform.python_version(),
        "dvc": version("dvc"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor() or platform.machine()


def make(folder: Path, stages: int) -> Path:
    """Make a project of stages that copy a file, with a commit; its DVC remote will be in the same folder."""
    project = folder / "project"
    project.mkdir(parents=True)
    lines = "".join(STAGE.format(name=f"s{number}") for number in range(stages))
    (project / "dvc.yaml").write_text(f"stages:\n{lines}", encoding="utf-8")
    (project / "in.txt").write_text("in\n", encoding="utf-8")
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    for command in (["git", "init", "--quiet"], [*PYTHON, "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=project, check=True)
    (project / ".dvc/config").write_text(CONFIG, encoding="utf-8")
    for command in (["git", "add", "--all"], ["git", *author, "commit", "--quiet", "--message", "All"]):
        subprocess.run(command, cwd=project, check=True)
    return folder


def seconds(command: list[str], project: Path) -> float:
    """Run a command in a project, and return the seconds."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(project.parent / "site_cache")}
    start = time.monotonic()
    completed = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    elapsed = time.monotonic() - start
    if completed.returncode:
        sys.exit(
            f"error: {' '.join(command)}: exit status {completed.returncode}\n{completed.stdout}{completed.stderr}"
        )
    return elapsed


def verify(project: Path, stages: int, *, on_worker: bool) -> None:
    """Exit with an error unless all stages ran, and on the worker if `on_worker`."""
    if len(list(project.glob("s*.txt"))) != stages:
        sys.exit("error: not all stages ran")
    if on_worker:
        lines = (project / ".dvc/tmp/abreast/history.jsonl").read_text(encoding="utf-8").splitlines()
        if sum(bool(json.loads(line)["where"]) for line in lines) != stages:
            sys.exit("error: not all stages ran on the worker")


@contextmanager
def dask_worker(place: Path) -> Iterator[str | None]:
    """Start a Dask scheduler and a worker with one core; yield the scheduler's address, or None without Dask."""
    if importlib.util.find_spec("distributed") is None:
        print(f'left out, since Dask is not installed (pip install "abreast[dask]"): {ON_WORKER}', flush=True)
        yield None
        return
    folder = place / "dask"
    folder.mkdir()
    file, log = folder / "scheduler.json", folder / "worker.log"
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    scheduler = [*PYTHON, "dask", "scheduler", "--port", "0", *common]
    worker = [*PYTHON, "dask", "worker", "--nthreads", "1", "--local-directory", str(folder), *common]
    with log.open("wb") as output:
        processes = [
            subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            for command in (scheduler, worker)
        ]
    try:
        started = time.monotonic()
        while "Registered to:" not in log.read_text(encoding="utf-8", errors="replace"):
            if time.monotonic() - started > START_TIMEOUT:
                sys.exit(f"error: no Dask worker after {START_TIMEOUT} s:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
        yield json.loads(file.read_text(encoding="utf-8"))["address"]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
