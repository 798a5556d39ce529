"""The process of a stage: lets DVC reproduce one stage after the other, and sends each result to the server."""

import functools
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from abreast.dvc_api import Definition, DvcException, EntryOrder, Options, Reproducer
from abreast.errors import AbreastError
from abreast.run.script import run_script

dvc_logger = logging.getLogger("dvc")
STOP_SIGNAL = signal.SIGUSR1  # tells the process of a stage to start no further command


@dataclass(frozen=True)
class Job:
    """A stage to run.

    root: of its project. log: the file that its output is appended to. entry_order: what stages add to dvc.lock and
    .gitignore files. rehearse: whether to run it without DVC's cache and lock.
    """

    name: str
    root: str
    log: str
    definition: Definition
    options: Options = field(default_factory=Options)
    entry_order: EntryOrder = field(default_factory=dict)
    rehearse: bool = False


@dataclass(frozen=True)
class Result:
    """The result of a job.

    status: 0 for success. changed: whether DVC took the stage as changed; it then ran or came from the run cache. ran:
    whether its commands ran. seconds: wall time. cpu: processor seconds. memory: bytes of the largest process of its
    commands. killed: status with which the process of the stage ended, negative for a signal; else 0. where: address
    of the worker, empty for this machine.
    """

    status: int
    changed: bool = True
    ran: bool = False
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    killed: int = 0
    where: str = ""


def run_jobs(connection: Connection, import_paths: list[str] | None) -> None:
    """Run jobs from the connection until it closes; if `import_paths` is given, scripts are forks of this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    redirect(0, os.devnull, os.O_RDONLY)
    last_notice = ""

    def notify(text: str) -> None:
        nonlocal last_notice
        if text != last_notice:
            last_notice = text
            with suppress(OSError):  # the server has ended, or the disk is full
                connection.send(text)
                print(text, file=sys.stderr, flush=True)

    run = functools.partial(run_script, connection, import_paths) if import_paths is not None else None
    reproducer = Reproducer(notify, run)
    signal.signal(STOP_SIGNAL, lambda *_: reproducer.stop())
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        last_notice = ""
        result = run_job(job, reproducer)
        with suppress(OSError):  # the server has ended
            connection.send(result)


def redirect(stream: int, file: str, flags: int) -> None:
    descriptor = os.open(file, flags, 0o666)
    os.dup2(descriptor, stream)
    os.close(descriptor)


def run_job(job: Job, reproducer: Reproducer) -> Result:
    """Run a stage; errors go to its log, in DVC's format."""
    started, status, changed, reproducer.usage = time.monotonic(), 1, True, []
    try:
        redirect(1, job.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(1, 2)
        os.chdir(job.root)
        if job.rehearse:
            reproducer.rehearse(job.root, job.definition)
        else:
            changed = reproducer.reproduce(job.root, job.definition, job.options, job.entry_order)
        status = 0
    except Exception as error:
        with suppress(Exception):  # the disk is full
            log_error(error)
    usages = reproducer.usage
    return Result(
        status,
        changed,
        bool(usages),
        time.monotonic() - started,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        max((usage.ru_maxrss for usage in usages), default=0) * (1 if sys.platform == "darwin" else 1024),
    )


def log_error(error: Exception) -> None:
    """Write into the log why a stage failed."""
    if isinstance(error, AbreastError):
        print(f"error: {error}", file=sys.stderr)
    else:
        dvc_logger.error("" if isinstance(error, DvcException) else "unexpected error", exc_info=error)
    sys.stdout.flush()


def main() -> None:
    """Run jobs in a process that is not a fork of the server."""
    run_jobs(Connection(int(sys.argv[1])), None)
