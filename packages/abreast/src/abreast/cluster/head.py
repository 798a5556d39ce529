"""The head of a run: sends stages to the workers of a Dask cluster, and is the only machine to write dvc.lock.

Dask assigns tasks to workers, and to other ones when a worker dies. It assigns all tasks at once, however busy the
workers are; so the schedule holds tasks back until cores are free: 0.96 of the ideal speed, against 0.88
(docs/scaling.md).
"""

import itertools
import logging
import sys
import threading
import time
import uuid
import warnings
from collections import Counter
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError

from abreast.cluster.environment import environment
from abreast.cluster.remote import Remote
from abreast.cluster.snapshot import Snapshot
from abreast.cluster.worker import RemoteJob, RemoteResult, join_run, leave_run, run_stage
from abreast.dvc_api import open_repo
from abreast.errors import AbreastError
from abreast.plan.stages import Stage
from abreast.run.stage import Result

POLL_INTERVAL = 2  # seconds between two looks at the workers
MIN_SECONDS = 10  # a shorter stage takes longer to send than to run
MAX_DEATHS = 3  # of workers in one stage; then the stage fails
WORKERS_DIED = "the workers that ran it died, perhaps out of memory"


class Cluster:
    """The workers of a Dask scheduler that have the environment of this machine.

    AbreastError if no scheduler answers at the address, or if there are workers and none fits.

    >>> cluster = Cluster.connect("tcp://127.0.0.1:8786")
    >>> print(cluster)
    2 workers with 4 cores, http://127.0.0.1:8787/status
    """

    @classmethod
    def connect(cls, address: str) -> "Cluster":
        """Pack the project in the current folder, and connect to the workers of a scheduler."""
        messages: list[str] = []
        remote = Remote(open_repo(None, messages.append))
        remote.check(head=True)
        return cls(address, remote, Snapshot.of(Path()), messages)

    def __init__(self, address: str, remote: Remote, snapshot: Snapshot, messages: list[str]) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # abreast reports its errors
        warnings.filterwarnings("ignore", module="distributed")
        self.address, self.remote, self.snapshot = address, remote, snapshot
        self.run = f"abreast-{uuid.uuid4().hex[:12]}"
        self.environment = environment()
        root = Path(remote.repo.root_dir)
        paths = [path for path in map(Path, sys.path) if path.is_absolute() and path.is_relative_to(root)]
        self.paths = [str(path.relative_to(root)) for path in paths]
        self.workers: dict[str, dict[str, float]] = {}  # that have joined, with their resources
        self.excluded: dict[str, str] = {}  # workers, with the reason
        self.messages = messages  # for the user
        self.logs: dict[str, Path] = {}  # of the current attempts
        self.futures: dict[str, Future] = {}
        self.started: set[str] = set()  # attempts that a worker has started
        self.deaths: Counter[str] = Counter()  # of workers, by stage
        self.attempts = itertools.count()
        self.last_poll = 0.0
        self.stopping = False
        self.error: AbreastError | None = None  # ends the run
        self.submit_lock = threading.Lock()
        try:
            self.client = Client(address, timeout=5, set_as_default=False, name=self.run)
            self.dashboard = self.client.dashboard_link  # asks the scheduler
        except Exception as error:  # OSError, TimeoutError, and others if the versions differ
            message = " ".join(str(error).split()) or type(error).__name__
            raise AbreastError(f"--scheduler {address}: no Dask scheduler of a fitting version: {message}") from None
        self.client.subscribe_topic(self.run, self.on_log_event)
        self.poll()
        if self.excluded and not self.workers:
            raise AbreastError(f"no worker of {address} fits: {'; '.join(self.excluded.values())}")

    def poll(self) -> None:
        """Let new workers join, and remove those that have ended; AbreastError if the scheduler has ended."""
        if self.error:
            raise self.error
        if time.monotonic() - self.last_poll < POLL_INTERVAL:
            return
        self.last_poll = time.monotonic()
        try:
            known = self.client.sync(self.client.scheduler.identity, n_workers=-1)["workers"]
            joined = {name for name, worker in known.items() if self.run in worker["resources"]}
            gone = self.workers.keys() - joined  # or started again at the same address
            self.workers = {name: resources for name, resources in self.workers.items() if name in joined}
            new = [name for name in known if name not in self.workers and name not in self.excluded]
            if new:
                self.add_workers(new)
            if new or gone:
                self.cancel_unassigned()
        except (OSError, TimeoutError, CancelledError, AttributeError, KeyError, ClosedClientError) as error:
            raise self.scheduler_ended() from error  # the client raises the last three after it has lost the scheduler

    def add_workers(self, new: list[str]) -> None:
        arguments = self.run, self.environment, self.snapshot.content
        answers = self.client.run(join_run, *arguments, workers=new, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, Exception):
                message = " ".join(str(answer).split()) or type(answer).__name__
                no_module = "No module named" in message
                self.exclude(worker, f"{message}; install the head's packages there" if no_module else message)
            elif answer.difference:
                self.exclude(worker, answer.difference)
            else:
                self.workers[worker] = answer.resources

    def exclude(self, worker: str, reason: str) -> None:
        self.excluded[worker] = reason
        self.workers.pop(worker, None)
        self.messages.append(f"{worker} is not used: {reason}")

    def cancel_unassigned(self) -> None:
        """Cancel tasks without a worker; `submit` submits them again, since Dask would not give them to new workers."""
        assigned = {key for keys in self.client.processing().values() for key in keys}
        for key, future in list(self.futures.items()):
            if key not in assigned and not future.done():
                future.cancel()

    @property
    def cores(self) -> int:
        return int(sum(resources["cores"] for resources in self.workers.values()))

    def __str__(self) -> str:
        if not self.workers:
            return f"waiting for workers at {self.address}"
        workers = f"{len(self.workers)} worker{'s' * (len(self.workers) != 1)}"
        return f"{workers} with {self.cores} core{'s' * (self.cores != 1)}, {self.dashboard}"

    def inputs(self, stage: Stage, expected_seconds: float) -> list[str] | None:
        """List the inputs that a worker would pull for a stage; None if it must run on the head."""
        if expected_seconds < MIN_SECONDS:
            return None
        return self.remote.inputs(stage.name, self.snapshot.files)

    def run_stage(
        self, stage: Stage, inputs: list[str], log: Path, *, changed: list[Path], force: bool, grace: float
    ) -> Result:
        """Run a stage on a worker, unless the run cache has it; afterwards DVC's cache has its outputs.

        changed: files that changed since the run began. The result has a worker's usage only if a worker ran it.
        """
        name = stage.name
        if not force and (self.remote.is_unchanged(name) or self.remote.fetch(name)):
            return Result(0)
        self.remote.push_inputs(name, inputs)
        job = RemoteJob(
            run=self.run,
            name=name,
            place=self.snapshot.place,
            definition=stage.definition,
            files=self.remote.read_files(changed),
            settings=self.remote.settings,
            inputs=inputs,
            paths=self.paths,
            force=force,
            grace=grace,
        )
        remote_result = self.submit(job, stage, log)
        if remote_result is None:
            return Result(1)
        log.write_bytes(remote_result.log)
        result, entry = remote_result.answer.result, remote_result.answer.entry
        if entry:
            self.remote.write_entry(*entry)
            if not self.remote.fetch(name):
                raise AbreastError(f"{name}: its inputs changed while it ran; run again")
        return replace(result, where=remote_result.worker)

    def dask_resources(self, stage: Stage) -> dict[str, float]:
        """Return the resources of a stage for Dask; at most the cores of the largest worker."""
        most_cores = max((resources["cores"] for resources in self.workers.values()), default=stage.resources.cores)
        demand: dict[str, float] = {self.run: 1, "cores": min(stage.resources.cores, most_cores)}
        demand |= {name: stage.resources.demand[name] for name in ("memory", "gpu") if name in stage.resources.demand}
        if not any(
            all(resources.get(name, 0) >= amount for name, amount in demand.items())
            for resources in self.workers.values()
        ):
            meta = ", ".join(f"{name} {stage.meta[name]}" for name in stage.meta)
            self.messages.append(f"{stage.name} waits for a worker with {meta}")
        return demand

    def submit(self, job: RemoteJob, stage: Stage, log: Path) -> RemoteResult | None:
        """Run a job on a worker, on another one if that fails; return None if the run ends."""
        while not self.error:
            attempt = f"{job.name} {next(self.attempts)} {self.run}"
            resources = self.dask_resources(stage)
            try:
                with self.submit_lock:
                    if self.stopping:
                        return None
                    self.logs[attempt] = log
                    future = self.client.submit(run_stage, job, attempt, key=attempt, pure=False, resources=resources)
                    self.futures[attempt] = future
                result: RemoteResult = future.result()
            except (CancelledError, ClosedClientError):  # to submit it again, or because the run ends
                if self.client.status != "running":
                    self.error = self.scheduler_ended()
                elif attempt in self.started and not self.stopping:
                    self.count_death(stage)
                continue
            except KilledWorker:
                raise AbreastError(f"{job.name}: {WORKERS_DIED}") from None
            except Exception as error:  # an error of abreast itself on the worker
                raise AbreastError(f"{job.name}: a worker could not run it: {type(error).__name__}: {error}") from None
            finally:
                self.logs.pop(attempt, None)
                self.futures.pop(attempt, None)
            if not result.worker_error:
                return result
            self.remote.check(head=True)  # if the head cannot reach the remote either, the worker is not the cause
            self.exclude(result.worker, result.worker_error)
            self.release([result.worker])
            if not self.workers:
                self.error = AbreastError(f"no worker of {self.address} is left: {result.worker_error}")
        return None

    def count_death(self, stage: Stage) -> None:
        """Count the workers that died in a stage; Dask counts only those of one attempt."""
        self.deaths[stage.name] += 1
        if self.deaths[stage.name] >= MAX_DEATHS:
            raise AbreastError(f"{stage.name}: {WORKERS_DIED}")

    def release(self, workers: list[str]) -> None:
        """Let workers leave the run, and cancel their tasks that have not started; wait for a limited time."""

        def leave() -> None:
            with suppress(Exception):  # worker and scheduler may have ended
                for key in itertools.chain(*self.client.processing(workers).values()):
                    if key in self.futures and key not in self.started:
                        self.futures[key].cancel()
                self.client.run(leave_run, self.run, workers=workers, on_error="ignore")

        thread = threading.Thread(target=leave, daemon=True)
        thread.start()
        thread.join(POLL_INTERVAL)

    def on_log_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Write a part of a stage's log that a worker has sent."""
        _, part = event
        self.started.add(part["attempt"])
        if log := self.logs.get(part["attempt"]):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("r+b" if part["offset"] else "wb") as file:
                file.seek(part["offset"])
                file.write(part["text"])

    def scheduler_ended(self) -> AbreastError:
        return AbreastError(f"the scheduler {self.address} has ended; start it and run again; finished stages are kept")

    def close(self) -> None:
        """Cancel all tasks, and release the workers."""
        with self.submit_lock:
            if self.stopping:
                return
            self.stopping = True
            futures = list(self.futures.values())
        with suppress(Exception):  # the scheduler may have ended
            self.client.cancel(futures)
        self.remote.stop()
        self.release(list(self.workers))
        self.client.close(timeout=2)
