"""The server: a process with DVC imported, which forks processes of stages, and stops all that runs at the end.

A process of stages does one after the other, as `dvc repro` does: there are as many as stages run side by side. The
server is forked from the runner before that opens a project or starts a thread. A pipe joins the two; when it ends, the
runner has, however it did: the server then stops the commands of its stages. DVC itself is never stopped: it sees that
a command failed, or writes down what one made that had ended. If the server is killed, the runner does the same.

Where a fork is not safe, on macOS, they are processes started anew: a second of processor time each.
"""

import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Self

import psutil

from abreast.errors import AbreastError
from abreast.run.script import import_path
from abreast.run.stage import STOP, Job, Result, serve_stages

LOOK = 0.1  # seconds between two looks at commands that are being stopped
CAN_FORK = sys.platform != "darwin" and os.environ.get("ABREAST_FORK") != "0"
STARTED: list[subprocess.Popen] = []  # else Python would ask for their status itself
ENDED = "the process that stages are forks of has ended, perhaps for want of memory; run again"


class Server:
    """The server, for the runner: to be closed at the end, and able to run any number of stages at a time.

    preload: modules to import once for all scripts. grace: seconds that a stopped command has to tidy up. tell: called
    with a stage's name and what the user is to be told of it, in another thread.
    """

    def __init__(
        self, preload: Iterable[str] = (), grace: float = 20, tell: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self.grace, self.tell = grace, tell
        self.results: dict[int, tuple[str, Future[Result]]] = {}  # to come, by the number of the request
        self.running: dict[int, int] = {}  # processes of stages
        self.number = 0
        self.stopping = False
        self.sending = threading.Lock()
        self.connection, theirs = Pipe()
        self.pid = self.start(theirs, list(preload))
        theirs.close()
        self.receiver = threading.Thread(target=self.receive, daemon=True)
        self.receiver.start()

    def start(self, theirs: Connection, preload: list[str]) -> int:
        if not CAN_FORK:
            return started("abreast.run.server", theirs, str(self.grace)).pid
        pid = forked()
        if pid == 0:
            with ending():
                self.connection.close()
                serve(theirs, preload, self.grace)
        return pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def receive(self) -> None:
        """Hand on what the server says, to its end."""
        while (message := received(self.connection)) is not None:
            kind, number, what = message
            if kind == "started":
                self.running[number] = what
            elif kind == "says":
                with suppress(Exception):  # results are to come, whatever becomes of what is told
                    self.tell(self.results[number][0], what)
            else:
                self.running.pop(number, None)
                self.results.pop(number)[1].set_result(what)
        orphans = [(pid, Stopper(self.grace)) for pid in self.running.values()]  # of a server that was killed
        while [pid for pid, stopper in orphans if stopper.left(pid) or lives(pid)]:
            time.sleep(LOOK)
        for _, result in list(self.results.values()):
            result.set_exception(AbreastError(ENDED))

    def run(self, job: Job) -> Result:
        """Run a stage to its end; AbreastError where the server has ended."""
        result: Future[Result] = Future()
        with self.sending:
            if self.stopping or not self.receiver.is_alive():
                raise AbreastError(ENDED)
            self.number += 1
            self.results[self.number] = job.name, result
            with suppress(OSError):  # it has ended, as `receive` finds out
                self.connection.send((self.number, job))
        return result.result()

    def stop(self) -> None:
        """End all that runs, and wait until it has; what had ended is written down by DVC meanwhile."""
        with self.sending:
            if not self.stopping:
                self.stopping = True
                with suppress(OSError):
                    self.connection.send(None)
                if not self.number:
                    os.kill(self.pid, signal.SIGKILL)  # it runs nothing, but may import for seconds
        self.receiver.join()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Child:
    """A process of stages, in the server. number: of the request that it works at; None while it waits for one."""

    def __init__(self, others: list[Connection], paths: list[str] | None) -> None:
        self.connection, theirs = Pipe()
        self.number: int | None = None
        if CAN_FORK:
            self.pid = forked()
            if self.pid == 0:
                with ending():
                    for connection in (self.connection, *others):
                        connection.close()
                    os.setsid()
                    serve_stages(theirs, paths)
        else:
            self.pid = started("abreast.run.stage", theirs).pid
        theirs.close()

    def take(self, number: int, job: Job, grace: float) -> None:
        """Begin to work at a job."""
        self.number, self.stopper = number, Stopper(grace)
        with suppress(OSError):  # it was killed, as reading shows
            self.connection.send(job)

    def end(self) -> int:
        """Have it end, if it has not; give its exit status, negative for a signal."""
        self.connection.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def serve(runner: Connection, preload: list[str], grace: float) -> None:
    """Be the server, until the runner ends or says so."""
    with suppress(PermissionError):  # it leads a session already
        os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what modules print when they are imported
    paths = import_path() if preload else None
    for name in preload:
        with suppress(Exception):  # the script will say so if it needs it
            importlib.import_module(name)
    gc.freeze()  # what is there is shared by all forks: nobody is to look through it again
    children: dict[Connection, Child] = {}
    killed: list[tuple[Child, Result]] = []  # whose commands are being stopped
    wanted = True  # by the runner
    while wanted or killed or any(child.number is not None for child in children.values()):
        stopping = killed or not wanted
        for ready in wait([*children, *([runner] if wanted else [])], LOOK if stopping else None):
            assert isinstance(ready, Connection)
            if ready is runner:
                request = received(runner)
                wanted = request is not None
                if request:
                    number, job = request
                    idle = (child for child in children.values() if child.number is None)
                    child = next(idle, None) or Child([runner, *children], paths)
                    children[child.connection] = child
                    child.take(number, job, grace)
                    send(runner, "started", child.number, child.pid)
                continue
            child = children[ready]
            message = received(child.connection)
            if message is None:
                del children[ready]
                status = child.end()
                if child.number is not None:
                    killed.append((child, Result(1, killed=status)))
            elif isinstance(message, Result):
                send(runner, "ended", child.number, message)
                child.number = None
                if message.status:  # nothing of what failed is to matter to another stage
                    del children[ready]
                    child.end()
            else:
                send(runner, "says", child.number, message)
        if not wanted:
            for child in children.values():
                if child.number is not None:
                    child.stopper.left(child.pid)
        for child, result in list(killed):
            if not child.stopper.left(child.pid, living=False):
                killed.remove((child, result))
                send(runner, "ended", child.number, result)
    for child in children.values():
        child.end()


def main() -> None:
    """Be the server, started anew."""
    serve(Connection(int(sys.argv[1])), [], float(sys.argv[2]))


def forked() -> int:
    """Fork, with nothing in buffers that both would write."""
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fork()


class ending:  # noqa: N801 (read as a statement)
    """End a forked process with what it does; never return into the code of the other one."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind and error and kind is not KeyboardInterrupt:  # which is for the runner
            sys.excepthook(kind, error, trace)
        os._exit(1 if error else 0)


def started(module: str, theirs: Connection, *arguments: str, **options: Any) -> subprocess.Popen:
    """Start the `main` of a module anew; `-P` keeps the current folder's files out of its imports."""
    command = [sys.executable, "-P", "-c", f"from {module} import main; main()", str(theirs.fileno()), *arguments]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True, **options)
    STARTED.append(process)
    return process


def received(connection: Connection) -> Any:
    """Give the next message, or None when the other side has ended."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def send(connection: Connection, *message: Any) -> None:
    with suppress(OSError):  # the runner has ended
        connection.send(message)


class Stopper:
    """Stops the commands of a stage: each is interrupted once, and killed after some seconds."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.begun: float | None = None
        self.interrupted: set[psutil.Process] = set()

    def left(self, leader: int, *, living: bool = True) -> bool:
        """Stop what the process `leader` runs, and have it start nothing more; tell whether anything is left."""
        if self.begun is None:
            self.begun = time.monotonic()
            with suppress(OSError):
                if living:
                    os.kill(leader, STOP)
        late = time.monotonic() - self.begun > self.grace
        escaped = {process for process in self.interrupted if process.is_running()}  # whose parents had ended
        commands = alive(commands_of(leader) | escaped)
        for process in commands:
            with suppress(psutil.Error):
                if late:
                    process.kill()
                elif process not in self.interrupted:
                    process.send_signal(signal.SIGINT)
        self.interrupted |= commands
        return bool(commands)


def commands_of(leader: int) -> set[psutil.Process]:
    """Find the processes that one has started, directly or not, or that are in its session, whether it lives or not."""
    table = {process.pid: process for process in psutil.process_iter(["ppid"])}
    found = {leader}
    for pid in table:
        with suppress(OSError):
            if os.getsid(pid) == leader:
                found.add(pid)
    while more := {pid for pid, process in table.items() if process.info["ppid"] in found and pid not in found}:
        found |= more
    return {table[pid] for pid in found - {leader} if pid in table}


def alive(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Leave out those that have ended, although nobody may have asked for their status."""
    return {process for process in processes if lives(process.pid)}


def lives(pid: int) -> bool:
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
