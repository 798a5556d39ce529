"""Run every stage whose code, data or settings changed, side by side: what takes several cores first, then the longest.

Each stage is `dvc --wait-for-lock repro --single-item STAGE` in a process of its own, so the results are those of a
plain `dvc repro`, and a stage that failed or was stopped is simply still to be done at the next run.
"""

import argparse
import contextlib
import functools
import json
import logging
import os
import signal
import statistics
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import entry
from fashion.errors import InputError
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml

if TYPE_CHECKING:
    from scheduling import Schedule

LOGS = Path("logs")
DURATIONS = LOGS / "durations.json"  # of this machine's runs
REFERENCE = Path("benchmarks/durations.json")  # of the machine that made the results in git; for the first run
UNKNOWN = 10.0  # seconds expected of a stage that has no like
GRACE = 20  # seconds that stopped stages have to tidy up
RUNNING: dict[str, subprocess.Popen] = {}


def main() -> int:
    """Run what is to run; give the exit status: 0, 1 when a stage failed, 2 on bad settings, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "--jobs", type=int, default=cores, metavar="N", help="threads to keep busy (default: all cores)"
    )
    jobs = parser.parse_args().jobs
    if jobs < 1:
        parser.error(f"--jobs: {jobs} is less than 1")
    # A shell that starts this in the background has it ignore Ctrl-C, which stages would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        params = check(load_yaml(entry.PARAMS), source=str(entry.PARAMS))
        schedule = plan(params, jobs)
        if not schedule.tasks:
            print("Everything is up to date.")
            return 0
        with ThreadPoolExecutor(jobs) as executor:
            return reproduce(schedule, executor)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. What was done is kept; the next run goes on from there.", file=sys.stderr)
        return 130


def plan(params: Params, jobs: int) -> "Schedule":
    """Ask DVC for the graph and for what changed; take that and all that hangs on it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.utils.serialize import LOADERS

    from scheduling import Schedule, Task

    LOADERS[".yaml"] = functools.cache(LOADERS[".yaml"])  # DVC reads params.yaml anew for each stage, 40 ms a time
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its findings are ours to report
    try:
        with Repo(".") as repo, repo.lock:
            graph = repo.index.graph
            changed = {stage for stage in graph if stage.changed()}
    except DvcException as error:
        raise InputError(f"DVC: {str(error).strip()}") from None
    needs = {stage: set(graph.successors(stage)) for stage in graph}
    affected = set(changed)
    while more := {stage for stage in graph if stage not in affected and needs[stage] & affected}:
        affected |= more
    seconds = known_durations(REFERENCE, DURATIONS)
    train, finetune = params.train.threads, params.finetune.threads
    threads = {"train": train, "evaluate": train, "finetune": finetune, "predict": finetune}
    tasks = [
        Task(
            stage.addressing,
            frozenset(need.addressing for need in needs[stage] & affected),
            expected(stage.addressing, seconds),
            threads.get(kind(stage.addressing), 1),
        )
        for stage in affected
    ]
    return Schedule({task.name: task for task in tasks}, jobs)


def reproduce(schedule: "Schedule", executor: Executor) -> int:
    """Run the schedule, showing how it goes; report at the end what failed."""
    from rich.console import Console

    from fashion.files import write_json
    from live import View
    from scheduling import run_all

    logs = {name: log_of(name) for name in schedule.tasks}
    LOGS.mkdir(exist_ok=True)
    console = Console(stderr=True)
    try:
        with View(schedule, logs, console) as view:
            run_all(schedule, executor, run_stage, view.look)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        stop_running()
        raise
    finally:
        took = {name: round(seconds, 1) for name, seconds in schedule.done.items() if really_ran(logs[name])}
        write_json(DURATIONS, dict(sorted({**known_durations(DURATIONS), **took}.items())))
    for name in schedule.failed:
        view.say(f"\n{name} failed. The end of {logs[name]}:")
        view.say("".join(f"  {line}\n" for line in logs[name].read_text(errors="replace").split("\n")[-15:] if line))
    if schedule.failed:
        view.say(
            f"{len(schedule.done)} stages done, {len(schedule.failed)} failed, "
            f"{len(schedule.blocked)} not run since they need those. Mend it and run again; what was done is kept."
        )
        return 1
    view.say(f"All {len(schedule.done)} stages done.")
    return 0


def run_stage(name: str) -> int:
    """Run one stage in a session of its own, into its log; give DVC's exit status.

    The stage's standard input is a pipe from here: when this process dies, however it does, the stage reads its end
    and stops (see `entry.stop_with_the_runner`).
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # stages say python, and mean this one
    with log_of(name).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, entry.RUNNER: "1"},
            start_new_session=True,
        )
    RUNNING[name] = process
    try:
        return process.wait()
    finally:
        RUNNING.pop(name, None)


def stop_running() -> None:
    """Interrupt all running stages, wait for them to tidy up, and kill what is left after that."""
    stopping = list(RUNNING.values())
    for number, patience in ((signal.SIGINT, GRACE), (signal.SIGKILL, None)):
        for process in stopping:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, number)
        for process in stopping:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                break


def log_of(name: str) -> Path:
    """Give the log of a stage, by its name without the file it stands in."""
    return LOGS / f"{name.rpartition(':')[2]}.log"


def kind(name: str) -> str:
    """Give what a stage does: train of train@base, evaluate of stages/dvc.yaml:evaluate@final."""
    return name.rpartition(":")[2].partition("@")[0]


def really_ran(log: Path) -> bool:
    """Tell whether DVC ran the stage, and did not find it unchanged after all or take its outputs from the cache."""
    return "Running stage" in log.read_text(encoding="utf-8", errors="replace")


def known_durations(*files: Path) -> dict[str, float]:
    """Read the seconds that stages took when they last ran; a later file's count."""
    known: dict[str, float] = {}
    for file in files:
        if file.is_file():
            known |= json.loads(file.read_text(encoding="utf-8"))
    return known


def expected(name: str, known: dict[str, float]) -> float:
    """Expect what the stage took last, else what its like take."""
    like = [seconds for other, seconds in known.items() if kind(other) == kind(name)]
    return known.get(name) or (statistics.median(like) if like else UNKNOWN)


if __name__ == "__main__":
    sys.exit(main())
