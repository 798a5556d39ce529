"""One run: `abreast repro`, in which DVC reproduces each stage, or `abreast rehearse`, without DVC's cache and lock."""

import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from abreast.dvc_api import DvcException, EntryOrder, Options
from abreast.errors import AbreastError
from abreast.plan.durations import expected_seconds, read_seconds, write_duration
from abreast.plan.resources import capacity
from abreast.plan.stages import Stage
from abreast.run import history
from abreast.run.live import View, end_of
from abreast.run.run_lock import FOLDER, log_files
from abreast.run.schedule import CORES, REMOTE_CORES, Schedule, Task, run_all
from abreast.run.server import Server
from abreast.run.stage import Job, Result

if TYPE_CHECKING:
    from abreast.cluster.head import Cluster  # needs Dask, which is an extra

DURATIONS = FOLDER / "durations.json"  # of the last run of each stage on this machine
LOG_LINES = 15  # of a failed stage that are shown at the end


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    jobs: cores to use; all if None. durations: expected seconds of stages that never ran on this machine. options: of
    all stages. entry_order: what stages add to dvc.lock and .gitignore files. grace: seconds between Ctrl-C and the
    kill of a command.
    """

    jobs: int | None = None
    durations: Mapping[str, float] | None = None
    options: Options = Options()  # noqa: RUF009 (it is frozen)
    entry_order: EntryOrder | None = None
    rehearse: bool = False
    force_downstream: bool = False
    ignore_errors: bool = False
    grace: float = 20


class Run:
    """A run of the stages of the project in `root`, which must be the current folder.

    >>> with run_lock() as root, Server() as server:
    ...     status = Run(root, all_stages(root), Settings(jobs=2, rehearse=True), server).execute()
    """

    def __init__(
        self, root: Path, stages: list[Stage], settings: Settings, server: Server, cluster: "Cluster | None" = None
    ) -> None:
        self.root, self.settings, self.server, self.cluster = root, settings, server, cluster
        self.stages = {stage.name: stage for stage in stages}
        durations = {**(settings.durations or {}), **read_seconds(root / DURATIONS)}
        seconds = expected_seconds([*self.stages], durations)
        self.remote_inputs: dict[str, list[str]] = {}  # of the stages that workers run
        for stage in stages:
            if cluster and (inputs := cluster.inputs(stage, seconds[stage.name])) is not None:
                self.remote_inputs[stage.name] = inputs
        demands = {name: self.demand(stage) for name, stage in self.stages.items()}
        tasks = {name: Task(name, stage.needs, seconds[name], demands[name]) for name, stage in self.stages.items()}
        self.schedule = Schedule(tasks, capacity(settings.jobs, demands.values()), settings.ignore_errors)
        self.logs = log_files(self.stages, root)
        self.view = View(self.schedule, self.logs, Console(stderr=True))
        self.started = time.time()
        self.outcomes: dict[str, str] = {}
        self.notices: dict[str, str] = {}  # the last notice of each stage that is running
        self.record_lock = threading.Lock()
        self.stopping = False
        server.notify = self.notify
        history.drop_old_runs(root)

    def demand(self, stage: Stage) -> dict[str, float]:
        """Return what a stage uses of this machine, or of the workers' cores; Dask counts their memory and GPUs."""
        demand = stage.resources.demand
        if stage.name not in self.remote_inputs:
            return demand
        return {REMOTE_CORES: demand[CORES]} | {name: 1.0 for name in demand if name.startswith("mutex ")}

    def execute(self) -> int:
        """Run all stages, report the failed ones at the end, and return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.interrupt)
        with ThreadPoolExecutor(len(self.stages)) as executor:  # its threads only wait
            try:
                with self.view:
                    self.warn_of_scarce_resources()
                    run_all(self.schedule, executor, self.run_stage, self.on_event)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise
            finally:
                if self.cluster:
                    self.cluster.close()
        return self.report()

    def warn_of_scarce_resources(self) -> None:
        """Name the stages that ask for more memory or GPUs than the machine has."""
        for name, task in self.schedule.tasks.items():
            for resource in ("memory", "gpu"):
                available = self.schedule.capacity.get(resource, 0)
                if task.demand.get(resource, 0) > available:
                    amount = f"{available / 1e9:.1f} GB" if resource == "memory" else f"{available:.0f}"
                    asked = self.stages[name].meta.get(resource)
                    self.view.print(f"{name}: meta.{resource}: {asked} is more than the {amount} of this machine")

    def run_stage(self, name: str) -> int:
        """Run one stage, here or on a worker, record its usage, and return its exit status."""
        started, log, retries = time.time(), self.logs[name], self.stages[name].resources.retries
        try:
            log.write_bytes(b"")
            result = self.run_once(name)
            for number in range(1, retries + 1):
                if result.status == 0 or self.stopping:
                    break
                self.notify(name, f"failed; retry {number} of {retries} starts; its log: {self.view.relative(log)}")
                result = self.run_once(name)
        except OSError as error:  # such as a full disk
            self.notify(name, f"{error.filename}: {error.strerror}")
            result = Result(1)
        self.notices.pop(name, None)
        self.record(name, started, result)
        return result.status

    def run_once(self, name: str) -> Result:
        force = self.settings.options.force or (
            self.settings.force_downstream
            and any(self.outcomes.get(need) in ("done", "cached") for need in self.stages[name].upstream)
        )
        if name not in self.remote_inputs:
            return self.run_here(name, force=force)
        try:
            remote = self.run_on_worker(name, force=force)
        except (AbreastError, DvcException, OSError) as error:  # such as an input that was deleted meanwhile
            self.append_to_log(name, f"error: {' '.join(str(error).split())}")
            return Result(1)
        if remote.status:
            return remote
        here = self.run_here(name, ignore_lock=force)  # takes the worker's outputs from the run cache
        return remote if remote.where and not here.status else here

    def run_here(self, name: str, *, force: bool = False, ignore_lock: bool = False) -> Result:
        stage = self.stages[name]
        upstream = tuple(stage.upstream.values()) if self.settings.options.allow_missing else ()
        options = replace(self.settings.options, force=force, ignore_lock=ignore_lock, upstream=upstream)
        log = str(self.logs[name])
        order = self.settings.entry_order or {}
        job = Job(name, str(self.root), log, stage.definition, options, order, rehearse=self.settings.rehearse)
        result = self.server.run(job)
        if result.killed:
            self.append_to_log(name, f"error: the DVC process ended with status {result.killed}, perhaps out of memory")
        return result

    def run_on_worker(self, name: str, *, force: bool) -> Result:
        """Run a stage on a worker. Afterwards, DVC's run cache has its outputs."""
        assert self.cluster is not None
        stage, files = self.stages[name], {Path(file) for file in self.settings.entry_order or {}}
        for definition in [stage.definition for stage in self.stages.values()]:
            file = self.root / definition.file
            files.add(file if definition.content is None else file.with_suffix(".lock"))
        return self.cluster.run_stage(
            stage, self.remote_inputs[name], self.logs[name], changed=[*files], force=force, grace=self.settings.grace
        )

    def record(self, name: str, started: float, result: Result) -> None:
        """Record outcome and usage of a stage; errors, such as a full disk, are ignored."""
        success = "done" if result.ran else "cached"
        outcome = "failed" if result.status else success if result.changed else "unchanged"
        self.outcomes[name] = outcome
        seconds, cpu = round(time.time() - started, 3), round(result.cpu, 3)
        with self.record_lock, suppress(OSError, AbreastError):
            record = history.Record(self.started, name, started, seconds, cpu, result.memory, outcome, result.where)
            history.append(self.root, record)
            if outcome == "done":
                usage = {"seconds": round(result.seconds, 3), "cpu": cpu, "memory": result.memory}
                write_duration(self.root / DURATIONS, name, usage)

    def append_to_log(self, name: str, line: str) -> None:
        with self.logs[name].open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def notify(self, name: str, text: str) -> None:
        """Print a notice of a stage, unless it was the stage's last one."""
        if self.notices.get(name) != text:
            self.notices[name] = text
            self.view.print(f"{name}: {text}")

    def on_event(self, event: str, name: str) -> None:
        """Show an event of a stage, and poll the cluster if there is no event."""
        if self.cluster and not event:
            self.cluster.poll()
            self.schedule.capacity[REMOTE_CORES] = self.cluster.cores
            if self.view.cluster != str(self.cluster):
                self.view.cluster = str(self.cluster)
                self.view.print(self.view.cluster)
            while self.cluster.messages:
                self.view.print(self.cluster.messages.pop(0))
        self.view.on_event("unchanged" if self.outcomes.get(name) == "unchanged" else event, name)

    def interrupt(self, *_: object) -> None:
        """Stop the run at the first Ctrl-C; at the next ones, print what the run waits for."""
        if self.stopping:
            self.view.print(self.still_running())
            return
        self.stopping = True
        raise KeyboardInterrupt

    def stop(self) -> None:
        """Stop all commands, and wait until they have ended."""
        self.stopping = True
        running = [name for name in self.schedule.running if name not in self.outcomes]
        if running:
            self.view.print(f"Stopping {', '.join(running)}; commands are killed after {self.settings.grace:g} s.")
        try:
            if self.cluster:
                self.cluster.close()
        finally:
            self.server.stop()

    def still_running(self) -> str:
        running = [name for name in list(self.schedule.running) if name not in self.outcomes]
        doing = "its command cleans up, or DVC saves its outputs"
        lines = [f"{name}: {self.notices.get(name, doing)}" for name in running]
        return "\n".join(["Still stopping; no result is lost:", *lines])

    def report(self) -> int:
        """Print a summary and the last log lines of failed stages; return the exit status."""
        schedule = self.schedule
        for name in schedule.failed:
            self.view.print(f"\n{name} failed. The end of {self.view.relative(self.logs[name])}:")
            self.view.print("".join(f"  {line}\n" for line in end_of(self.logs[name], LOG_LINES)))
        done = count_stages(len(schedule.done))
        if not schedule.failed:
            self.view.print(f"All {done} done.")
            return 0
        blocked = len(schedule.blocked)
        not_run = f", {blocked} not run because they depend on failed ones" if blocked else ""
        kept = "" if self.settings.rehearse else "; finished stages are kept"
        self.view.print(f"{done} done, {len(schedule.failed)} failed{not_run}. Fix the cause and run again{kept}.")
        return 0 if self.settings.ignore_errors else 1


def count_stages(number: int) -> str:
    return f"{number} stage{'' if number == 1 else 's'}"
