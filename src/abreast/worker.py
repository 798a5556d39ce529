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
from pathlib import Path
from typing import Any

import dask
from distributed import Status, Worker, get_worker

from abreast.errand import UNFIT, write_settings
from abreast.kind import kind, unlike

LOOK = 0.5  # seconds between two looks whether the stage has ended, or is no longer wanted
TELL = 2  # seconds between two pieces of its log
PIECE = 20_000  # bytes of a log told at a time
ROOM = 20_000_000  # bytes free on a disk that is not full
PROJECT = "project.tar.gz"


@dataclass(frozen=True)
class Job:
    """A stage for a worker.

    run: whose project it is. place: of the project in its repository. files: texts that changed since the run began, by
    their path from the project's root: locks, lists of what git ignores. settings: for DVC. inputs: to pull. paths: of
    modules in the project. grace: seconds to tidy up when it is stopped.
    """

    run: str
    name: str
    place: Path
    files: dict[str, str]
    settings: dict[str, Any]
    inputs: list[str]
    paths: list[str]
    force: bool
    grace: int


@dataclass(frozen=True)
class Result:
    """What came of a stage.

    status: of `abreast.errand`. seconds: that it took. entry: of the run cache, a path and its content. unfit: why this
    worker is to get no more stages; empty where it may.
    """

    worker: str
    status: int
    seconds: float
    log: bytes = b""
    entry: tuple[str, bytes] | None = None
    unfit: str = ""


@dataclass(frozen=True)
class Welcome:
    """What a worker says to a run.

    unlike: how its machine differs; empty where it takes part. resources: what it has.
    """

    unlike: str
    resources: dict[str, float]


async def welcome(run: str, like: dict[str, str], project: bytes, dask_worker: Worker) -> Welcome:
    """Take part in a run, if this machine is like the head's: keep the project, and offer cores and memory."""
    if difference := unlike(kind(), like):
        return Welcome(difference, {})
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


def run_stage(job: Job, attempt: str) -> Result:
    """Run a stage in a folder of its own, and send what it made to the remote."""
    worker = get_worker()
    started = time.monotonic()
    folder = folder_of(worker, job.run) / uuid.uuid4().hex
    log, entry = folder / "log", folder / "entry"
    worker.log_event(job.run, {"attempt": attempt, "offset": 0, "text": b""})
    try:
        folder.mkdir()
        status = follow(start(job, folder, worker), worker, job, attempt, log)
        said = log.read_bytes()
        made = entry.read_bytes().split(b"\n", 1) if entry.exists() else None
    except OSError as error:
        status, said, made = UNFIT, str(error).encode(), None
    full = shutil.disk_usage(worker.local_directory).free < ROOM
    shutil.rmtree(folder, ignore_errors=True)
    return Result(
        worker.address,
        status,
        time.monotonic() - started,
        said,
        (made[0].decode(), made[1]) if made else None,
        unfit(status, said, worker.local_directory, full=full),
    )


def follow(process: subprocess.Popen, worker: Worker, job: Job, attempt: str, log: Path) -> int:
    """Tell the head what a stage says, until it ends or is no longer wanted; give its exit status."""
    key, told, told_at = worker.get_current_task(), 0, 0.0
    while process.poll() is None and wanted(worker, key):
        time.sleep(LOOK)
        if time.monotonic() - told_at > TELL:
            told_at = time.monotonic()
            told += tell(worker, job.run, attempt, log, told)
    assert process.stdin is not None
    process.stdin.close()  # the guard stops what still runs
    return process.wait()


def unfit(status: int, said: bytes, place: str, *, full: bool) -> str:
    """Say why a stage failed through no fault of its own; nothing, where it may be its own."""
    if status and full:
        return f"no space left for {place}: free some, or start the worker with --local-directory elsewhere"
    if status == UNFIT:
        lines = said.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it cannot run stages")
    return ""


def start(job: Job, folder: Path, worker: Worker) -> subprocess.Popen:
    """Unpack the project, and start what pulls, runs and pushes, behind a guard: it ends with this process."""
    with tarfile.open(folder_of(worker, job.run) / PROJECT) as tar:
        tar.extractall(folder / "project", filter="tar")
    project = folder / "project" / job.place
    for path, text in job.files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")
    mine = hashlib.sha256(json.dumps(job.settings, sort_keys=True).encode()).hexdigest()[:12]  # one for each remote
    cache = Path(worker.local_directory) / "abreast/cache" / mine
    core = {**job.settings["core"], "site_cache_dir": str(Path(worker.local_directory) / "abreast/site")}
    write_settings(project, {**job.settings, "core": core, "cache": {"dir": str(cache)}})
    by_dask = dask.config.get("distributed.nanny.pre-spawn-environ", {})  # one thread for numpy: not the stage's wish
    environment = {name: value for name, value in os.environ.items() if str(by_dask.get(name)) != value}
    paths = [*(str(project / path) for path in job.paths), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    guard = [sys.executable, "-S", "-E", str(Path(__file__).with_name("guard.py")), str(job.grace), "0"]
    errand = [sys.executable, "-m", "abreast.errand", str(folder / "entry"), job.name, "yes" if job.force else "no"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*guard, *errand, *job.inputs],
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


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
