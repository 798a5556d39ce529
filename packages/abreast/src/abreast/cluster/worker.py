"""What runs in a Dask worker: it joins a run if its environment fits, and starts stages.

Dask does not interrupt a running task that is cancelled; `run_stage` checks for it.
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
from abreast.cluster.remote_stage import WORKER_FAILED, Answer, Request, write_settings
from abreast.dvc_api import Definition
from abreast.run.server import receive, start_python
from abreast.run.stage import Result

POLL_INTERVAL = 0.5  # seconds between two looks whether the stage has ended or was cancelled
LOG_INTERVAL = 2  # seconds between two parts of a stage's log that are sent to the head
LOG_BYTES = 20_000  # of a part, at most
MIN_FREE_BYTES = 20_000_000  # with less, the disk counts as full
PROJECT = "project.tar.gz"


@dataclass(frozen=True)
class RemoteJob:
    """A stage for a worker.

    run: name of the run. place: the project's folder in its git repository. files: that changed since the run began,
    such as dvc.lock, {path from the project's root: content}. settings: of DVC. inputs: to pull. paths: folders of the
    project that are in the head's sys.path. grace: seconds between Ctrl-C and the kill of a command.
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
    """The result of a stage on a worker. worker_error: why the worker must get no further stages, or empty."""

    worker: str
    answer: Answer
    log: bytes = b""
    worker_error: str = ""


@dataclass(frozen=True)
class JoinAnswer:
    """A worker's answer to a run. difference: from the head's environment; if empty, the worker has joined."""

    difference: str
    resources: dict[str, float]


async def join_run(run: str, head: dict[str, str], project: bytes, dask_worker: Worker) -> JoinAnswer:
    """Join a run if this machine has the head's environment: store the project, and offer cores and memory."""
    if different := difference(environment(), head):
        return JoinAnswer(different, {})
    folder = run_folder(dask_worker, run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROJECT).write_bytes(project)
    resources = {"cores": dask_worker.state.nthreads, "memory": dask_worker.memory_manager.memory_limit or 0}
    await dask_worker.set_resources(**(resources | dask_worker.state.total_resources | {run: 1e9}))
    return JoinAnswer("", dict(dask_worker.state.total_resources))


async def leave_run(run: str, dask_worker: Worker) -> None:
    """Leave a run that has ended, or that this worker cannot take part in."""
    await dask_worker.set_resources(**{run: 0})
    (run_folder(dask_worker, run) / PROJECT).unlink(missing_ok=True)
    with suppress(OSError):  # a stage still runs in it, and will delete its own folder
        run_folder(dask_worker, run).rmdir()


def run_folder(worker: Worker, run: str) -> Path:
    """Return the folder of a run; Dask deletes it when the worker ends, or at the start of the next worker."""
    return Path(worker.local_directory) / "abreast" / run


def run_stage(job: RemoteJob, attempt: str) -> RemoteResult:
    """Run a stage in a folder of its own, and push its outputs to the DVC remote."""
    worker = get_worker()
    folder = run_folder(worker, job.run) / uuid.uuid4().hex
    log_file = folder / "log"
    worker.log_event(job.run, {"attempt": attempt, "offset": 0, "text": b""})
    try:
        folder.mkdir()
        answer = wait_for_stage(job, folder, worker, attempt)
        log = log_file.read_bytes()
    except OSError as error:
        answer, log = Answer(Result(WORKER_FAILED)), str(error).encode()
    disk_full = shutil.disk_usage(worker.local_directory).free < MIN_FREE_BYTES
    shutil.rmtree(folder, ignore_errors=True)
    reason = worker_error(answer.result.status, log, worker.local_directory, disk_full=disk_full)
    return RemoteResult(worker.address, answer, log, reason)


def wait_for_stage(job: RemoteJob, folder: Path, worker: Worker, attempt: str) -> Answer:
    """Start a stage, and send its log to the head until it ends or is cancelled."""
    connection, process = start_stage(job, folder, worker)
    key, sent, last_sent = worker.get_current_task(), 0, 0.0
    while not connection.poll(POLL_INTERVAL) and is_wanted(worker, key):
        if time.monotonic() - last_sent > LOG_INTERVAL:
            last_sent = time.monotonic()
            sent += send_log(worker, job.run, attempt, folder / "log", sent)
    answer = receive(connection) if connection.poll() else None
    connection.close()  # stops a stage that still runs
    process.wait()
    return answer or Answer(Result(1))


def worker_error(status: int, log: bytes, folder: str, *, disk_full: bool) -> str:
    """Return the error of the worker that made a stage fail; empty if the stage itself may have failed."""
    if status and disk_full:
        return f"no space left for {folder}: free some, or start the worker with --local-directory elsewhere"
    if status == WORKER_FAILED:
        lines = log.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it cannot run stages")
    return ""


def start_stage(job: RemoteJob, folder: Path, worker: Worker) -> tuple[Connection, subprocess.Popen]:
    """Unpack the project, and start `remote_stage.py`, which ends when the connection closes."""
    with tarfile.open(run_folder(worker, job.run) / PROJECT) as tar:
        tar.extractall(folder / "project", filter="tar")
    project = folder / "project" / job.place
    for path, content in job.files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(content)
    # One cache for each remote: projects that share a worker must not share a run cache.
    cache_name = hashlib.sha256(json.dumps(job.settings, sort_keys=True).encode()).hexdigest()[:12]
    cache = Path(worker.local_directory) / "abreast/cache" / cache_name
    core = {**job.settings["core"], "site_cache_dir": str(Path(worker.local_directory) / "abreast/site")}
    write_settings(project, {**job.settings, "core": core, "cache": {"dir": str(cache)}})
    set_by_dask = dask.config.get("distributed.nanny.pre-spawn-environ", {})  # such as OMP_NUM_THREADS=1
    environment = {name: value for name, value in os.environ.items() if str(set_by_dask.get(name)) != value}
    paths = [*(str(project / path) for path in job.paths), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    # `python` in a command is the worker's own: workers are often started without activating their environment.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    connection, child_end = Pipe()
    with (folder / "log").open("ab") as log:
        process = start_python(
            "abreast.cluster.remote_stage",
            child_end,
            cwd=project,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    child_end.close()
    request = Request(job.name, job.definition, str(folder / "log"), job.inputs, job.force, job.grace)
    with suppress(OSError):  # the process has ended
        connection.send(request)
    return connection, process


def is_wanted(worker: Worker, key: Any) -> bool:
    """Tell whether the head still waits for a task, and the worker is not about to end."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status in (Status.running, Status.paused)


def send_log(worker: Worker, run: str, attempt: str, log: Path, offset: int) -> int:
    """Send the head a part of a stage's log from an offset, and return its length in bytes."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read(LOG_BYTES)
    if text:
        worker.log_event(run, {"attempt": attempt, "offset": offset, "text": text})
    return len(text)
