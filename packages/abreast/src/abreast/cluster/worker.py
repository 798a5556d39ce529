"""What runs on a Dask worker: a look at the machine, and stages.

A worker does not interrupt a task that nobody wants any more; so `run_stage` looks itself.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import dask
from distributed import Status, Worker, get_worker

from abreast.cluster.environment import difference, environment
from abreast.cluster.remote_stage import UNFIT, Answer, Request, write_settings
from abreast.dvc_api import Definition
from abreast.run.server import received, started
from abreast.run.stage import Result

LOOK = 0.5  # seconds between two looks whether the stage has ended, or is no longer wanted
TELL = 2  # seconds between two pieces of its log
PIECE = 20_000  # bytes of a log told at a time
ROOM = 20_000_000  # bytes free on a disk that is not full
PROJECT = "project.tar.gz"


@dataclass(frozen=True)
class RemoteJob:
    """A stage for a worker.

    run: whose project it is. place: of the project in its repository. files: that changed since the run began, by their
    path from the project's root: locks, lists of what git ignores. settings: for DVC. inputs: to pull. paths: of
    modules in the project. grace: seconds to tidy up when it is stopped.
    """

    run: str
    name: str
    place: Path
    definition: Definition
    files: dict[str, bytes]
    settings: dict[str, Any]
    inputs: list[str]
    paths: list[str]
    force: bool
    grace: float


@dataclass(frozen=True)
class RemoteResult:
    """What came of a stage.

    unfit: why this worker is to get no more stages; empty where it may.
    """

    worker: str
    answer: Answer
    log: bytes = b""
    unfit: str = ""


@dataclass(frozen=True)
class Welcome:
    """What a worker says to a run.

    difference: of its machine from the head's; empty where it takes part. resources: what it has.
    """

    difference: str
    resources: dict[str, float]


async def welcome(run: str, like: dict[str, str], project: bytes, dask_worker: Worker) -> Welcome:
    """Take part in a run, if this machine is like the head's: keep the project, and offer cores and memory."""
    if differs := difference(environment(), like):
        return Welcome(differs, {})
    folder = folder_of(dask_worker, run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROJECT).write_bytes(project)
    offered = {"cores": dask_worker.state.nthreads, "memory": dask_worker.memory_manager.memory_limit or 0}
    await dask_worker.set_resources(**(offered | dask_worker.state.total_resources | {run: 1e9}))
    return Welcome("", dict(dask_worker.state.total_resources))


async def farewell(run: str, dask_worker: Worker) -> None:
    """Take part no longer: a run has ended, or this worker is not fit for it."""
    await dask_worker.set_resources(**{run: 0})
    (folder_of(dask_worker, run) / PROJECT).unlink(missing_ok=True)
    with suppress(OSError):  # a stage still runs in it, or is being stopped, and takes its own folder away
        folder_of(dask_worker, run).rmdir()


def folder_of(worker: Worker, run: str) -> Path:
    """Give a run's folder in the worker's own, which Dask deletes when the worker ends, or at the next one's start."""
    return Path(worker.local_directory) / "abreast" / run


def run_stage(job: RemoteJob, attempt: str) -> RemoteResult:
    """Run a stage in a folder of its own, and send what it made to the remote."""
    worker = get_worker()
    folder = folder_of(worker, job.run) / uuid.uuid4().hex
    log = folder / "log"
    worker.log_event(job.run, {"attempt": attempt, "offset": 0, "text": b""})
    try:
        folder.mkdir()
        answer = follow(job, folder, worker, attempt)
        text = log.read_bytes()
    except OSError as error:
        answer, text = Answer(Result(UNFIT)), str(error).encode()
    full = shutil.disk_usage(worker.local_directory).free < ROOM
    shutil.rmtree(folder, ignore_errors=True)
    why = unfit(answer.result.status, text, worker.local_directory, full=full)
    return RemoteResult(worker.address, answer, text, why)


def follow(job: RemoteJob, folder: Path, worker: Worker, attempt: str) -> Answer:
    """Start a stage and tell the head what it says, until it ends or is no longer wanted."""
    connection, process = start(job, folder, worker)
    key, told, told_at = worker.get_current_task(), 0, 0.0
    while not connection.poll(LOOK) and wanted(worker, key):
        if time.monotonic() - told_at > TELL:
            told_at = time.monotonic()
            told += tell(worker, job.run, attempt, folder / "log", told)
    answer = received(connection) if connection.poll() else None
    connection.close()  # it stops what still runs
    process.wait()
    return answer or Answer(Result(1))


def unfit(status: int, text: bytes, place: str, *, full: bool) -> str:
    """Say why a stage failed through no fault of its own; nothing, where it may be its own."""
    if status and full:
        return f"no space left for {place}: free some, or start the worker with --local-directory elsewhere"
    if status == UNFIT:
        lines = text.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it cannot run stages")
    return ""


def start(job: RemoteJob, folder: Path, worker: Worker) -> tuple[Connection, subprocess.Popen]:
    """Unpack the project, and start what pulls, runs and pushes; it ends with the connection."""
    with tarfile.open(folder_of(worker, job.run) / PROJECT) as tar:
        tar.extractall(folder / "project", filter="tar")
    project = folder / "project" / job.place
    for path, content in job.files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(content)
    mine = hashlib.sha256(json.dumps(job.settings, sort_keys=True).encode()).hexdigest()[:12]  # one for each remote
    cache = Path(worker.local_directory) / "abreast/cache" / mine
    core = {**job.settings["core"], "site_cache_dir": str(Path(worker.local_directory) / "abreast/site")}
    write_settings(project, {**job.settings, "core": core, "cache": {"dir": str(cache)}})
    by_dask = dask.config.get("distributed.nanny.pre-spawn-environ", {})  # one thread for numpy: not the stage's wish
    environment = {name: value for name, value in os.environ.items() if str(by_dask.get(name)) != value}
    paths = [*(str(project / path) for path in job.paths), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    # Workers are started by a path to their Python, where nobody has activated its environment.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    connection, theirs = Pipe()
    with (folder / "log").open("ab") as log:
        process = started(
            "abreast.cluster.remote_stage", theirs, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    theirs.close()
    request = Request(job.name, job.definition, str(folder / "log"), job.inputs, job.force, job.grace)
    with suppress(OSError):  # it has ended
        connection.send(request)
    return connection, process


def wanted(worker: Worker, key: Any) -> bool:
    """Tell whether someone still waits for a task, and the worker is not about to end."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status in (Status.running, Status.paused)


def tell(worker: Worker, run: str, attempt: str, log: Path, told: int) -> int:
    """Send the head what a stage has said beyond so many bytes; give how many that is."""
    with log.open("rb") as file:
        file.seek(told)
        text = file.read(PIECE)
    if text:
        worker.log_event(run, {"attempt": attempt, "offset": told, "text": text})
    return len(text)
