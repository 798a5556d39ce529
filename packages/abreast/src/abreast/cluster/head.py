"""Have stages run by the workers of a Dask cluster. This is the head of a run, which alone writes dvc.lock.

Dask places tasks and moves them when a worker dies. It hands all that it gets to workers at once, however long these
are busy; so the schedule holds back what does not fit at the moment: 0.96 of the ideal, against 0.88 (docs/scaling.md).
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
from abreast.cluster.exchange import Exchange
from abreast.cluster.remote_stage import MISSING
from abreast.cluster.snapshot import Snapshot
from abreast.cluster.worker import RemoteJob, RemoteResult, farewell, run_stage, welcome
from abreast.dvc_api import open_patiently
from abreast.errors import AbreastError
from abreast.plan.stages import Stage
from abreast.run.stage import Result

PAUSE = 2  # seconds between two looks at the workers
SHORT = 10  # seconds below which a stage takes longer to send than to run
TRIES = 3  # for a stage whose inputs the remote has lost
MANY = 3  # workers that die in a stage, until it fails
DEATHS = "the workers that ran it died, of too little memory perhaps"


class Cluster:
    """The workers of a Dask scheduler that take part in a run: those that compute as this machine does.

    address: as in tcp://127.0.0.1:8786. AbreastError where it is no scheduler's, and where no worker fits.
    """

    @classmethod
    def connect(cls, address: str) -> "Cluster":
        """Pack the project around here, and find the workers of a scheduler."""
        messages: list[str] = []
        exchange = Exchange(open_patiently(None, messages.append))
        exchange.check(head=True)
        return cls(address, exchange, Snapshot.of(Path()), messages)

    def __init__(self, address: str, exchange: Exchange, snapshot: Snapshot, messages: list[str]) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its findings are ours to report
        warnings.filterwarnings("ignore", module="distributed")
        self.address, self.exchange, self.snapshot = address, exchange, snapshot
        self.run = f"abreast-{uuid.uuid4().hex[:12]}"
        self.environment = environment()
        root = Path(exchange.repo.root_dir)
        modules = [path for path in map(Path, sys.path) if path.is_absolute() and path.is_relative_to(root)]
        self.paths = [str(path.relative_to(root)) for path in modules]
        self.offers: dict[str, dict[str, float]] = {}  # what workers that take part have
        self.apart: dict[str, str] = {}  # why others do not
        self.messages = messages  # what the user is to be told
        self.logs: dict[str, Path] = {}  # of the attempts under way
        self.futures: dict[str, Future] = {}
        self.begun: set[str] = set()  # attempts that a worker has started
        self.deaths: Counter[str] = Counter()  # of workers, in a stage
        self.attempts = itertools.count()
        self.looked = 0.0
        self.stopping = False
        self.fault: AbreastError | None = None  # that ends the run
        self.guarding = threading.Lock()
        try:
            self.client = Client(address, timeout=5, set_as_default=False, name=self.run)
            self.dashboard = self.client.dashboard_link  # which asks the scheduler each time
        except Exception as error:  # OSError, TimeoutError, and whatever another version says
            message = " ".join(str(error).split()) or type(error).__name__
            raise AbreastError(
                f"--scheduler {address}: no Dask scheduler of a fitting version answers: {message}"
            ) from None
        self.client.subscribe_topic(self.run, self.hear)
        self.look()
        if self.apart and not self.offers:
            raise AbreastError(f"no worker of {address} fits: {'; '.join(self.apart.values())}")

    def look(self) -> None:
        """Let new workers take part, and forget those that are gone."""
        if self.fault:
            raise self.fault
        if time.monotonic() - self.looked < PAUSE:
            return
        self.looked = time.monotonic()
        try:
            workers = self.client.sync(self.client.scheduler.identity, n_workers=-1)["workers"]
            here = {name for name, about in workers.items() if self.run in about["resources"]}
            gone = self.offers.keys() - here  # or started again under the same address
            self.offers = {name: has for name, has in self.offers.items() if name in here}
            new = [name for name in workers if name not in self.offers and name not in self.apart]
            if new:
                self.invite(new)
            if new or gone:
                self.send_again()
        except (OSError, TimeoutError, CancelledError, AttributeError, KeyError, ClosedClientError) as error:
            raise self.lost() from error  # the last three come of a client that has found out itself

    def invite(self, new: list[str]) -> None:
        about = self.run, self.environment, self.snapshot.content
        answers = self.client.run(welcome, *about, workers=new, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, Exception):
                message = " ".join(str(answer).split()) or type(answer).__name__
                old = "No module named" in message
                self.set_apart(worker, f"{message}; install there what is installed here" if old else message)
            elif answer.difference:
                self.set_apart(worker, answer.difference)
            else:
                self.offers[worker] = answer.resources

    def set_apart(self, worker: str, why: str) -> None:
        self.apart[worker] = why
        self.offers.pop(worker, None)
        self.messages.append(f"{worker} takes no part: {why}")

    def send_again(self) -> None:
        """Cancel what waits for workers that are gone, which has it sent again: Dask would not give it to new ones."""
        placed = {key for keys in self.client.processing().values() for key in keys}
        for key, future in list(self.futures.items()):
            if key not in placed and not future.done():
                future.cancel()

    @property
    def cores(self) -> int:
        return int(sum(has["cores"] for has in self.offers.values()))

    def __str__(self) -> str:
        if not self.offers:
            return f"waiting for workers at {self.address}"
        workers = f"{len(self.offers)} worker{'s' * (len(self.offers) != 1)}"
        return f"{workers} with {self.cores} core{'s' * (self.cores != 1)}, {self.dashboard}"

    def inputs(self, stage: Stage, seconds: float) -> list[str] | None:
        """List what a stage of so many seconds would pull on a worker, or give None where it is to run here."""
        return None if seconds < SHORT else self.exchange.inputs(stage.name, self.snapshot.files)

    def run_stage(
        self, stage: Stage, inputs: list[str], log: Path, *, changed: list[Path], force: bool, grace: float
    ) -> Result:
        """Have a stage run, unless the run cache knows it; its outputs are then in DVC's cache.

        changed: files that changed since the run began. Gives what a worker took, if one ran it.
        """
        name = stage.name
        if not force and (self.exchange.unchanged(name) or self.exchange.take(name)):
            return Result(0)
        for tries in itertools.count(1):
            self.exchange.give(name, inputs)
            job = RemoteJob(
                run=self.run,
                name=name,
                place=self.snapshot.place,
                definition=stage.definition,
                files=self.exchange.contents(changed),
                settings=self.exchange.settings,
                inputs=inputs,
                paths=self.paths,
                force=force,
                grace=grace,
            )
            remote = self.send(job, stage, log)
            if remote is None:
                break
            log.write_bytes(remote.log)
            result, entry = remote.answer.result, remote.answer.entry
            if result.status == MISSING and tries < TRIES:
                self.exchange.forget()
                continue
            if entry:
                self.exchange.keep(*entry)
                if not self.exchange.take(name):
                    raise AbreastError(f"{name}: what it reads changed while it ran; run again")
            return replace(result, where=remote.worker)
        return Result(1)

    def wants(self, stage: Stage) -> dict[str, float]:
        """Give a stage's `meta` as Dask's resources; no more cores than the largest worker has."""
        most = max((has["cores"] for has in self.offers.values()), default=stage.resources.cores)
        wants: dict[str, float] = {self.run: 1, "cores": min(stage.resources.cores, most)}
        demand = stage.resources.demand
        wants |= {name: demand[name] for name in ("memory", "gpu") if name in demand}
        if not any(all(has.get(name, 0) >= much for name, much in wants.items()) for has in self.offers.values()):
            rest = ", ".join(f"{name} {stage.meta[name]}" for name in stage.meta)
            self.messages.append(f"{stage.name} waits for a worker with {rest}")
        return wants

    def send(self, job: RemoteJob, stage: Stage, log: Path) -> RemoteResult | None:
        """Have a worker do a job, another one where that is not fit for it; None when the run is to end."""
        while not self.fault:
            attempt = f"{job.name} {next(self.attempts)} {self.run}"
            wants = self.wants(stage)
            try:
                with self.guarding:
                    if self.stopping:
                        return None
                    self.logs[attempt] = log
                    future = self.client.submit(run_stage, job, attempt, key=attempt, pure=False, resources=wants)
                    self.futures[attempt] = future
                result: RemoteResult = future.result()
            except (CancelledError, ClosedClientError):  # to be sent again, or because of an end
                if self.client.status != "running":
                    self.fault = self.lost()
                elif attempt in self.begun and not self.stopping:
                    self.died(stage)
                continue
            except KilledWorker:
                raise AbreastError(f"{job.name}: {DEATHS}") from None
            except Exception as error:  # of the worker's, in which `abreast` meets what it does not expect
                raise AbreastError(f"{job.name}: a worker could not run it: {type(error).__name__}: {error}") from None
            finally:
                self.logs.pop(attempt, None)
                self.futures.pop(attempt, None)
            if not result.unfit:
                return result
            self.exchange.check(head=True)  # where nobody reaches the remote, no worker is to blame
            self.set_apart(result.worker, result.unfit)
            self.dismiss([result.worker])
            if not self.offers:
                self.fault = AbreastError(f"no worker of {self.address} is left: {result.unfit}")
        return None

    def died(self, stage: Stage) -> None:
        """Count the workers that died in a stage; Dask counts those of one attempt, which new workers do not get."""
        self.deaths[stage.name] += 1
        if self.deaths[stage.name] >= MANY:
            raise AbreastError(f"{stage.name}: {DEATHS}")

    def dismiss(self, workers: list[str]) -> None:
        """Take leave of workers, and have sent again what waits there; not for long, if one no longer answers."""

        def leave() -> None:
            with suppress(Exception):  # worker and scheduler may be gone
                for key in itertools.chain(*self.client.processing(workers).values()):
                    if key in self.futures and key not in self.begun:
                        self.futures[key].cancel()
                self.client.run(farewell, self.run, workers=workers, on_error="ignore")

        thread = threading.Thread(target=leave, daemon=True)
        thread.start()
        thread.join(PAUSE)

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Write what a worker tells of a stage's log."""
        _, told = event
        self.begun.add(told["attempt"])
        if log := self.logs.get(told["attempt"]):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("r+b" if told["offset"] else "wb") as file:
                file.seek(told["offset"])
                file.write(told["text"])

    def lost(self) -> AbreastError:
        return AbreastError(f"the scheduler {self.address} has ended; start it and run again, what was done is kept")

    def close(self) -> None:
        """Stop what workers run, and leave them."""
        with self.guarding:
            if self.stopping:
                return
            self.stopping = True
            futures = list(self.futures.values())
        with suppress(Exception):  # the scheduler may be gone
            self.client.cancel(futures)
        self.exchange.stop()
        self.dismiss(list(self.offers))
        self.client.close(timeout=2)
