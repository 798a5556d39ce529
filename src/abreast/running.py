"""Run planned stages in processes, a log each; stop them all when this one is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor
from pathlib import Path

from rich.console import Console

from abreast.durations import expected, known_durations, write_durations
from abreast.graph import Plan
from abreast.live import View
from abreast.scheduling import Schedule, Task, run_all

LOGS = Path("logs")
DURATIONS = LOGS / "durations.json"  # of this machine's runs
SHOWN = 15  # lines of a failed stage's log
BUSY = "is busy, it is being blocked by"  # what DVC says of files that another process of it is at work on
PAUSE = 1  # seconds before a look whether they are free


class Run:
    """One run of a plan on so many cores.

    reference: seconds that stages took elsewhere, for those that this machine does not know.
    grace: seconds that stopped stages have to tidy up.
    """

    def __init__(
        self, plan: Plan, jobs: int, reference: dict[str, float], *, force: bool = False, grace: int = 20
    ) -> None:
        self.locks, self.force, self.grace = plan.locks, force, grace
        self.ignores = {stage.name: stage.ignores for stage in plan.stages}
        seconds = {**reference, **known_durations(DURATIONS)}
        tasks = [Task(stage.name, stage.needs, expected(stage.name, seconds), stage.cores) for stage in plan.stages]
        self.schedule = Schedule({task.name: task for task in tasks}, jobs)
        self.logs = {name: log_of(name) for name in self.schedule.tasks}
        self.processes: set[subprocess.Popen] = set()
        self.stopping = False
        self.guarding = threading.Lock()

    def to_the_end(self, executor: Executor) -> int:
        """Run the schedule, showing how it goes; report at the end what failed. Gives the exit status."""
        schedule = self.schedule
        try:
            with View(schedule, self.logs, Console(stderr=True)) as view:
                run_all(schedule, executor, self.run_stage, view.look)
        except BaseException:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break off the tidying
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            executor.shutdown(wait=False, cancel_futures=True)
            self.stop()
            raise
        finally:
            self.locks.put_in_order()
            LOGS.mkdir(exist_ok=True)
            write_durations(DURATIONS, {name: took for name, took in schedule.done.items() if ran(self.logs[name])})
        for name in schedule.failed:
            lines = said(self.logs[name]).split("\n")
            view.say(f"\n{name} failed. The end of {self.logs[name]}:")
            view.say("".join(f"  {line}\n" for line in lines[-SHOWN:] if line))
        if schedule.failed:
            view.say(
                f"{len(schedule.done)} stages done, {len(schedule.failed)} failed, "
                f"{len(schedule.blocked)} not run since they need those. Mend it and run again; what was done is kept."
            )
            return 1
        view.say(f"All {len(schedule.done)} stages done.")
        return 0

    def run_stage(self, name: str) -> int:
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
        guard = [sys.executable, "-S", "-E", str(Path(__file__).with_name("guard.py")), str(self.grace)]
        dvc = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # stages say python, and mean this one
        self.ignores[name].put_in_order()
        self.logs[name].parent.mkdir(parents=True, exist_ok=True)
        with self.logs[name].open("wb") as log:
            process = subprocess.Popen(
                [*guard, *dvc, *(["--force"] if self.force else [])],
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


def ran(log: Path) -> bool:
    """Tell whether DVC ran the stage, and did not find it unchanged after all or take its outputs from the cache."""
    return "Running stage" in said(log)


def said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
