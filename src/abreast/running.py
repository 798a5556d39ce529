"""Run stages side by side, a log each; stop them all when this one is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException
from rich.console import Console

from abreast.durations import expected, known_durations, write_durations
from abreast.errors import AbreastError
from abreast.graph import Plan
from abreast.live import View
from abreast.scheduling import Schedule, Task, run_all

if TYPE_CHECKING:
    from abreast.cluster import Cluster  # with Dask, which is an extra

LOGS = Path("logs")
DURATIONS = LOGS / "durations.json"  # of this machine's runs
SHOWN = 15  # lines of a failed stage's log
BUSY = "is busy, it is being blocked by"  # what DVC says of files that another process of it is at work on
PAUSE = 1  # seconds before a look whether they are free
PATIENCE = "60"  # seconds beyond a stage's own, in which DVC ends by itself


class Run(ABC):
    """One run of stages on so many cores; how a stage runs is what kinds of runs differ in."""

    kept = ""  # what is said of what was done when stages have failed

    def __init__(self, tasks: Iterable[Task], jobs: int) -> None:
        self.schedule = Schedule({task.name: task for task in tasks}, jobs)
        self.logs = {name: log_of(name) for name in self.schedule.tasks}

    def to_the_end(self, executor: Executor) -> int:
        """Run the schedule, showing how it goes; report at the end what failed. Gives the exit status."""
        schedule = self.schedule
        try:
            LOGS.mkdir(exist_ok=True)
            with View(schedule, self.logs, Console(stderr=True)) as view:
                run_all(schedule, executor, self.run_stage, lambda event, name: self.look(view, event, name))
        except BaseException:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break off the tidying
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            executor.shutdown(wait=False, cancel_futures=True)
            self.stop()
            raise
        finally:
            self.tidy()
        for name in schedule.failed:
            lines = said(self.logs[name]).split("\n")
            view.say(f"\n{name} failed. The end of {self.logs[name]}:")
            view.say("".join(f"  {line}\n" for line in lines[-SHOWN:] if line))
        if schedule.failed:
            view.say(
                f"{len(schedule.done)} stages done, {len(schedule.failed)} failed, "
                f"{len(schedule.blocked)} not run since they need those. Mend it and run again{self.kept}."
            )
            return 1
        view.say(f"All {len(schedule.done)} stages done.")
        return 0

    def look(self, view: View, event: str, name: str) -> None:
        """Tell the view what happened; note at once what a stage took, for stages that show it."""
        if event == "done" and (seconds := self.took(name)) is not None:
            with suppress(OSError, AbreastError):  # it costs the order of the next run, and no stage
                write_durations(DURATIONS, {name: seconds})
        view.look(event, name)

    def took(self, name: str) -> float | None:
        """Give the seconds that a stage took, or None where it did not run after all."""
        return self.schedule.done[name]

    @abstractmethod
    def run_stage(self, name: str) -> int:
        """Run one stage, into its log; give its exit status."""

    @abstractmethod
    def stop(self) -> None:
        """End all running stages, and wait until they have."""

    @abstractmethod
    def tidy(self) -> None:
        """Do what is to be done at the end, however the run ends."""


def expected_seconds(names: Iterable[str], reference: dict[str, float]) -> dict[str, float]:
    """Say how long stages will take; `reference` has the seconds of those that this machine does not know."""
    known = {**reference, **known_durations(DURATIONS)}
    return {name: expected(name, known) for name in names}


class Repro(Run):
    """A run of a plan by DVC, a process of it for each stage, and on a cluster's workers where there is one.

    reference: seconds that stages took elsewhere, for those that this machine does not know.
    grace: seconds that stopped stages have to tidy up.
    """

    kept = "; what was done is kept"

    def __init__(
        self,
        plan: Plan,
        jobs: int,
        reference: dict[str, float],
        *,
        force: bool = False,
        grace: int = 20,
        cluster: "Cluster | None" = None,
    ) -> None:
        self.locks, self.force, self.grace, self.cluster = plan.locks, force, grace, cluster
        self.stages = {stage.name: stage for stage in plan.stages}
        seconds = expected_seconds(self.stages, reference)
        self.inputs: dict[str, list[str]] = {}  # of the stages that workers run
        for stage in plan.stages:
            if cluster and (inputs := cluster.inputs(stage, seconds[stage.name])) is not None:
                self.inputs[stage.name] = inputs
        tasks = [
            Task(stage.name, stage.needs, seconds[stage.name], stage.cores, away=stage.name in self.inputs)
            for stage in plan.stages
        ]
        super().__init__(tasks, jobs)
        self.there: dict[str, float] = {}  # seconds, of stages that workers ran
        self.processes: set[subprocess.Popen] = set()
        self.stopping = False
        self.guarding = threading.Lock()

    def tidy(self) -> None:
        if self.cluster:
            self.cluster.close()
        self.locks.put_in_order()

    def look(self, view: View, event: str, name: str) -> None:
        """Tell the view what happened, and at a tick look at the workers, too."""
        if self.cluster and not event:
            self.cluster.look()
            self.schedule.away = self.cluster.cores
            if view.about != str(self.cluster):
                view.about = str(self.cluster)
                view.say(view.about)
            while self.cluster.said:
                view.say(self.cluster.said.pop(0))
        super().look(view, event, name)

    def took(self, name: str) -> float | None:
        """Give the seconds, but not where DVC found a stage unchanged or took its outputs from the cache."""
        return self.there.get(name, self.schedule.done[name]) if "Running stage" in said(self.logs[name]) else None

    def run_stage(self, name: str) -> int:
        """Run one stage, here or on a worker; give its exit status."""
        if name not in self.inputs:
            return self.run_here(name)
        log = self.logs[name]
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        try:
            return self.run_away(name) or self.run_here(name)  # which takes from the run cache what the worker made
        except (AbreastError, DvcException, OSError) as error:  # such as of an input that was deleted meanwhile
            with log.open("a", encoding="utf-8") as file:
                file.write(f"error: {' '.join(str(error).split())}\n")
            return 1

    def run_away(self, name: str) -> int:
        """Have a worker run a stage; give its exit status. What it made is then known to DVC's run cache."""
        assert self.cluster is not None
        stage = self.stages[name]
        stage.ignores.put_in_order()
        changed = [*self.locks.orders, *stage.ignores.orders, *map(Path, [name] if name.endswith(".dvc") else [])]
        status, seconds = self.cluster.run_stage(
            stage, self.inputs[name], self.logs[name], changed=changed, force=self.force, grace=self.grace
        )
        if seconds:
            self.there[name] = seconds
        if self.force and not status:
            self.locks.drop(name)
        return status

    def run_here(self, name: str) -> int:
        """Run one stage, after what another process of DVC does to the same files; give DVC's exit status."""
        while True:
            status = self.run_dvc(name)
            if status == 0 or self.stopping or BUSY not in said(self.logs[name]):
                return status
            with self.logs[name].open("a", encoding="utf-8") as log:
                log.write("waiting for the end of another process of DVC\n")
            time.sleep(PAUSE)

    def run_dvc(self, name: str) -> int:
        """Run DVC for one stage in a session of its own, into its log; give its exit status."""
        guard = [sys.executable, "-S", "-E", str(Path(__file__).with_name("guard.py")), str(self.grace), PATIENCE]
        dvc = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # stages say python, and mean this one
        self.stages[name].ignores.put_in_order()
        self.logs[name].parent.mkdir(parents=True, exist_ok=True)
        away = name in self.inputs  # whose log tells of the run, and what it made is only taken from the cache
        with self.logs[name].open("ab" if away else "wb") as log:
            process = subprocess.Popen(
                [*guard, *dvc, *(["--force"] if self.force and not away else [])],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": path},
                start_new_session=True,  # a terminal's Ctrl-C is for this process alone
            )
        with self.guarding:
            self.processes.add(process)
            if self.stopping:
                release(process)
        try:
            return process.wait()
        finally:
            with self.guarding:
                self.processes.discard(process)
                release(process)

    def stop(self) -> None:
        """End all running stages, and wait until their guards have."""
        if self.cluster:
            self.cluster.close()
        with self.guarding:
            self.stopping = True
            running = set(self.processes)
            for process in running:
                release(process)
        for process in running:
            process.wait()


def release(process: subprocess.Popen) -> None:
    """Close the pipe that a guard watches: it stops its stage, if it has not ended."""
    assert process.stdin is not None
    process.stdin.close()


def log_of(name: str) -> Path:
    """Give the log of a stage: logs/train@base.log, and logs/more/train.log for more/dvc.yaml:train."""
    file, _, stage = name.rpartition(":")
    return LOGS / Path(file).parent / f"{stage}.log"


def said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
