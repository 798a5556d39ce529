"""One run of stages side by side: `abreast repro`, where DVC reproduces each, or `abreast rehearse`, without it."""

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

from abreast.dvc_api import DvcException, Options, Orders
from abreast.errors import AbreastError
from abreast.plan.durations import expected, own_durations, seconds_of, write_duration
from abreast.plan.resources import capacity
from abreast.plan.stages import Stage
from abreast.run import history
from abreast.run.live import View, end_of
from abreast.run.run_lock import FOLDER, log_files
from abreast.run.schedule import CORES, REMOTE_CORES, Schedule, Task, run_all
from abreast.run.server import Server
from abreast.run.stage import Job, Result

if TYPE_CHECKING:
    from abreast.cluster.head import Cluster  # with Dask, which is an extra

DURATIONS = FOLDER / "durations.json"  # of this machine's runs
SHOWN = 15  # lines of a failed stage's log


@dataclass(frozen=True)
class Settings:
    """How a run goes.

    jobs: cores to fill, all if None. reference: seconds that stages took elsewhere, for those that this machine does
    not know. options: for each stage. orders: what stages add to locks and files .gitignore. grace: seconds that
    stopped commands have to tidy up.
    """

    jobs: int | None = None
    reference: Mapping[str, float] | None = None
    options: Options = Options()  # noqa: RUF009 (it is frozen)
    orders: Orders | None = None
    rehearse: bool = False
    force_downstream: bool = False
    ignore_errors: bool = False
    grace: float = 20


class Run:
    """A run of stages of the project in a folder, which is the current one, by a server, and by a cluster if given."""

    def __init__(
        self, root: Path, stages: list[Stage], settings: Settings, server: Server, cluster: "Cluster | None" = None
    ) -> None:
        self.root, self.settings, self.server, self.cluster = root, settings, server, cluster
        self.stages = {stage.name: stage for stage in stages}
        known = {**(settings.reference or {}), **seconds_of(own_durations(root / DURATIONS))}
        seconds = expected([*self.stages], known)
        self.inputs: dict[str, list[str]] = {}  # of the stages that workers run
        for stage in stages:
            if cluster and (inputs := cluster.inputs(stage, seconds[stage.name])) is not None:
                self.inputs[stage.name] = inputs
        demands = {name: self.demand(stage) for name, stage in self.stages.items()}
        tasks = {name: Task(name, it.needs, seconds[name], demands[name]) for name, it in self.stages.items()}
        self.schedule = Schedule(tasks, capacity(settings.jobs, demands.values()), settings.ignore_errors)
        self.logs = log_files(self.stages, root)
        self.view = View(self.schedule, self.logs, Console(stderr=True))
        self.began = time.time()
        self.outcomes: dict[str, str] = {}
        self.waits: dict[str, str] = {}  # what stages wait for, as the user was told
        self.recording = threading.Lock()
        self.stopping = False
        server.tell = self.tell
        history.shorten(root)

    def demand(self, stage: Stage) -> dict[str, float]:
        """Give what a stage fills: of this machine, or cores of others, where Dask counts memory and GPUs."""
        demand = stage.resources.demand
        if stage.name not in self.inputs:
            return demand
        return {REMOTE_CORES: demand[CORES]} | {name: 1.0 for name in demand if name.startswith("mutex ")}

    def to_the_end(self) -> int:
        """Run all, showing how it goes; report at the end what failed. Gives the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.interrupt)
        with ThreadPoolExecutor(len(self.stages)) as executor:  # its threads wait
            try:
                with self.view:
                    self.warn_of_too_little()
                    run_all(self.schedule, executor, self.run_stage, self.look)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise
            finally:
                if self.cluster:
                    self.cluster.close()
        return self.report()

    def warn_of_too_little(self) -> None:
        """Say which stages ask for more than there is; they run with all that there is."""
        for name, task in self.schedule.tasks.items():
            for resource in ("memory", "gpu"):
                has = self.schedule.capacity.get(resource, 0)
                if task.demand.get(resource, 0) > has:
                    much = f"{has / 1e9:.1f} GB" if resource == "memory" else f"{has:.0f}"
                    asked = self.stages[name].meta.get(resource)
                    self.view.say(f"{name}: meta.{resource}: {asked} is more than the {much} counted here; it gets all")

    def run_stage(self, name: str) -> int:
        """Run one stage, here or on a worker, and put on record what it took; give its exit status."""
        started, log, retries = time.time(), self.logs[name], self.stages[name].resources.retries
        try:
            log.write_bytes(b"")
            result = self.run_once(name)
            for number in range(1, retries + 1):
                if result.status == 0 or self.stopping:
                    break
                self.tell(name, f"failed, and is tried again ({number} of {retries}); its log: {self.view.shown(log)}")
                result = self.run_once(name)
        except OSError as error:  # such as of a disk that is full
            self.tell(name, f"{error.filename}: {error.strerror}")
            result = Result(1)
        self.waits.pop(name, None)
        self.record(name, started, result)
        return result.status

    def run_once(self, name: str) -> Result:
        forced = self.settings.options.force or (
            self.settings.force_downstream
            and any(self.outcomes.get(need) in ("done", "cached") for need in self.stages[name].upstream)
        )
        if name not in self.inputs:
            return self.run_here(name, force=forced)
        try:
            remote = self.run_remotely(name, force=forced)
        except (AbreastError, DvcException, OSError) as error:  # such as of an input that was deleted meanwhile
            self.add_to_log(name, f"error: {' '.join(str(error).split())}")
            return Result(1)
        if remote.status:
            return remote
        here = self.run_here(name, from_run_cache=forced)  # takes what the worker made, whatever the lock says
        return remote if remote.where and not here.status else here

    def run_here(self, name: str, *, force: bool = False, from_run_cache: bool = False) -> Result:
        stage = self.stages[name]
        upstream = tuple(stage.upstream.values()) if self.settings.options.allow_missing else ()
        options = replace(self.settings.options, force=force, forget=from_run_cache, upstream=upstream)
        log = str(self.logs[name])
        orders = self.settings.orders or {}
        job = Job(name, str(self.root), log, stage.definition, options, orders, rehearse=self.settings.rehearse)
        result = self.server.run(job)
        if result.killed:
            reason = f"the process of DVC ended with status {result.killed}, perhaps for want of memory"
            self.add_to_log(name, f"error: {reason}")
        return result

    def run_remotely(self, name: str, *, force: bool) -> Result:
        """Have a worker run a stage. What it made is then known to DVC's run cache."""
        assert self.cluster is not None
        stage, files = self.stages[name], {Path(file) for file in self.settings.orders or {}}
        for definition in [each.definition for each in self.stages.values()]:
            file = self.root / definition.file
            files.add(file if definition.content is None else file.with_suffix(".lock"))
        return self.cluster.run_stage(
            stage, self.inputs[name], self.logs[name], changed=[*files], force=force, grace=self.settings.grace
        )

    def record(self, name: str, started: float, result: Result) -> None:
        """Put on record how a stage went; that a disk is full costs the record, and no stage."""
        ran = "done" if result.ran else "cached"
        outcome = "failed" if result.status else ran if result.changed else "unchanged"
        self.outcomes[name] = outcome
        seconds, cpu = round(time.time() - started, 3), round(result.cpu, 3)
        with self.recording, suppress(OSError, AbreastError):
            record = history.Record(self.began, name, started, seconds, cpu, result.memory, outcome, result.where)
            history.add(self.root, record)
            if outcome == "done":
                took = {"seconds": round(result.seconds, 3), "cpu": cpu, "memory": result.memory}
                write_duration(self.root / DURATIONS, name, took)

    def add_to_log(self, name: str, line: str) -> None:
        with self.logs[name].open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def tell(self, name: str, text: str) -> None:
        """Tell the user something of a stage, once."""
        if self.waits.get(name) != text:
            self.waits[name] = text
            self.view.say(f"{name}: {text}")

    def look(self, event: str, name: str) -> None:
        """Tell the view what happened, and at a tick look at the workers, too."""
        if self.cluster and not event:
            self.cluster.look()
            self.schedule.capacity[REMOTE_CORES] = self.cluster.cores
            if self.view.about != str(self.cluster):
                self.view.about = str(self.cluster)
                self.view.say(self.view.about)
            while self.cluster.messages:
                self.view.say(self.cluster.messages.pop(0))
        self.view.look("unchanged" if self.outcomes.get(name) == "unchanged" else event, name)

    def interrupt(self, *_: object) -> None:
        """Begin to stop at the first Ctrl-C; a further one breaks nothing off, and is told what is waited for."""
        if self.stopping:
            self.view.say(self.still_running())
            return
        self.stopping = True
        raise KeyboardInterrupt

    def stop(self) -> None:
        """End all that runs, and wait until it has."""
        self.stopping = True
        running = [name for name in self.schedule.running if name not in self.outcomes]
        if running:
            self.view.say(f"Stopping {', '.join(running)}: {self.settings.grace:g} s to tidy up for each.")
        try:
            if self.cluster:
                self.cluster.close()
        finally:
            self.server.stop()

    def still_running(self) -> str:
        running = [name for name in list(self.schedule.running) if name not in self.outcomes]
        lines = [f"{name}: {self.waits.get(name, 'is tidying up, or DVC puts away what it made')}" for name in running]
        return "\n".join(["Still stopping, so that nothing is lost:", *lines])

    def report(self) -> int:
        """Say how it went, with the ends of the logs of stages that failed; give the exit status."""
        schedule, say = self.schedule, self.view.say
        for name in schedule.failed:
            say(f"\n{name} failed. The end of {self.view.shown(self.logs[name])}:")
            say("".join(f"  {line}\n" for line in end_of(self.logs[name], SHOWN)))
        if schedule.failed:
            blocked = len(schedule.blocked)
            kept = "" if self.settings.rehearse else "; what was done is kept"
            needing = f", {blocked} not run since they need those" if blocked else ""
            done = counted(len(schedule.done))
            say(f"{done} done, {len(schedule.failed)} failed{needing}. Mend it and run again{kept}.")
            return 0 if self.settings.ignore_errors else 1
        say(f"All {counted(len(schedule.done))} done.")
        return 0


def counted(number: int) -> str:
    return f"{number} stage{'' if number == 1 else 's'}"
