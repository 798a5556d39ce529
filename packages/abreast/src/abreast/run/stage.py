"""What a process of stages does: it has DVC reproduce one after the other, and tells how it went."""

import functools
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from abreast.dvc_api import (
    Definition,
    DvcException,
    Options,
    Orders,
    Process,
)
from abreast.errors import AbreastError
from abreast.run.script import run_script

log = logging.getLogger("dvc")  # which writes as DVC does
STOP = signal.SIGUSR1  # tells a process of stages to start nothing more


@dataclass(frozen=True)
class Job:
    """A stage to run.

    root: of its project. log: a file to add to. orders: what the run adds to locks and files .gitignore. rehearse:
    without DVC's cache and lock.
    """

    name: str
    root: str
    log: str
    definition: Definition
    options: Options = field(default_factory=Options)
    orders: Orders = field(default_factory=dict)
    rehearse: bool = False


@dataclass(frozen=True)
class Result:
    """How a stage went.

    status: 0 if well. changed: whether DVC took it for changed, so that it ran or came out of the run cache. ran:
    whether its commands did. seconds: of all. cpu: seconds of processors, and memory: bytes that the largest process of
    its commands had at most. killed: the status with which the process itself ended, negative for a signal. where: a
    worker, or nothing for here.
    """

    status: int
    changed: bool = True
    ran: bool = False
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    killed: int = 0
    where: str = ""


def serve_stages(connection: Connection, paths: list[str] | None) -> None:
    """Do the jobs that the connection brings; where `paths` are given, scripts are forks of this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    redirect(0, os.devnull, os.O_RDONLY)
    told: list[str] = []

    def tell(text: str) -> None:
        if told != [text]:
            told[:] = [text]
            with suppress(OSError):  # the server has ended, as the next receiving finds out, or the disk is full
                connection.send(text)
                print(text, file=sys.stderr, flush=True)

    process = Process(tell, functools.partial(run_script, connection, paths) if paths is not None else None)
    signal.signal(STOP, lambda *_: process.stop())
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        told.clear()
        result = do(job, process)
        with suppress(OSError):  # the server has ended, as the next receiving finds out
            connection.send(result)


def redirect(stream: int, file: str, flags: int) -> None:
    opened = os.open(file, flags, 0o666)
    os.dup2(opened, stream)
    os.close(opened)


def do(job: Job, process: Process) -> Result:
    """Run a stage; what goes wrong is said in its log, as DVC says it."""
    started, status, changed, process.used = time.monotonic(), 1, True, []
    try:
        redirect(1, job.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(1, 2)
        os.chdir(job.root)
        if job.rehearse:
            process.rehearse(job.root, job.definition)
        else:
            changed = process.reproduce(job.root, job.definition, job.options, job.orders)
        status = 0
    except Exception as error:
        with suppress(Exception):  # of a disk that is full
            explain(error)
    used = process.used
    return Result(
        status,
        changed,
        bool(used),
        time.monotonic() - started,
        sum(it.ru_utime + it.ru_stime for it in used),
        max((it.ru_maxrss for it in used), default=0) * (1 if sys.platform == "darwin" else 1024),
    )


def explain(error: Exception) -> None:
    """Write into the log why a stage failed."""
    if isinstance(error, AbreastError):
        print(f"error: {error}", file=sys.stderr)
    else:
        log.error("" if isinstance(error, DvcException) else "unexpected error", exc_info=error)
    sys.stdout.flush()


def main() -> None:
    """Be a process of stages, started anew."""
    serve_stages(Connection(int(sys.argv[1])), None)
