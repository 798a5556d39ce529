"""The server: a process that has imported DVC, forks the processes of stages, and stops their commands.

A process of a stage runs one stage after the other, as `dvc repro` does; there are as many as stages run in parallel.
The server is forked from the runner before the runner opens a project or starts a thread. A pipe connects the two. When
it closes, the runner has ended, even by SIGKILL, and the server stops all commands. DVC itself is not stopped: it sees
that a command failed, or saves the results of one that ended. If the server is killed, the runner stops the commands.

On macOS, where a fork is not safe, these are new processes: each takes a second of processor time to start.
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
from typing import Any, NoReturn, Self

import psutil

from abreast.errors import AbreastError
from abreast.run.script import script_import_paths
from abreast.run.stage import STOP_SIGNAL, Job, Result, run_jobs

POLL_INTERVAL = 0.1  # seconds between two looks at commands that are being stopped
CAN_FORK = sys.platform != "darwin" and os.environ.get("ABREAST_FORK") != "0"
POPENS: list[subprocess.Popen] = []  # kept, or Python would wait for these processes
SERVER_ENDED = "the server process has ended, perhaps out of memory; run again"


class Server:
    """The server as the runner sees it; runs any number of stages in parallel.

    preload: modules to import once for all scripts. grace: seconds between Ctrl-C and the kill of a command. notify:
    called in another thread with a stage's name and a text for the user.

    >>> with Server(preload=["torch"]) as server:
    ...     result = server.run(Job("train", root, log, definition))
    """

    def __init__(
        self, preload: Iterable[str] = (), grace: float = 20, notify: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self.grace, self.notify = grace, notify
        self.results: dict[int, tuple[str, Future[Result]]] = {}  # stage name and result, by number of the request
        self.running: dict[int, int] = {}  # process ids, by number of the request
        self.number = 0
        self.stopping = False
        self.send_lock = threading.Lock()
        self.connection, server_end = Pipe()
        self.pid = self.start(server_end, list(preload))
        server_end.close()
        self.receiver = threading.Thread(target=self.receive_messages, daemon=True)
        self.receiver.start()

    def start(self, server_end: Connection, preload: list[str]) -> int:
        def serve_runner() -> None:
            self.connection.close()
            serve(server_end, preload, self.grace)

        if CAN_FORK:
            return fork(serve_runner)
        return start_python("abreast.run.server", server_end, str(self.grace)).pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def receive_messages(self) -> None:
        """Handle the messages of the server until it ends."""
        while (message := receive(self.connection)) is not None:
            kind, number, content = message
            if kind == "started":
                self.running[number] = content
            elif kind == "notice":
                with suppress(Exception):  # a notice that cannot be shown must not lose results
                    self.notify(self.results[number][0], content)
            else:
                self.running.pop(number, None)
                self.results.pop(number)[1].set_result(content)
        orphans = [(pid, Stopper(self.grace)) for pid in self.running.values()]  # if the server was killed
        while [pid for pid, stopper in orphans if stopper.stop_commands(pid) or is_alive(pid)]:
            time.sleep(POLL_INTERVAL)
        for _, result in list(self.results.values()):
            result.set_exception(AbreastError(SERVER_ENDED))

    def run(self, job: Job) -> Result:
        """Run a stage and return its result; AbreastError if the server has ended."""
        result: Future[Result] = Future()
        with self.send_lock:
            if self.stopping or not self.receiver.is_alive():
                raise AbreastError(SERVER_ENDED)
            self.number += 1
            self.results[self.number] = job.name, result
            with suppress(OSError):  # the server has ended; `receive_messages` sets the exception
                self.connection.send((self.number, job))
        return result.result()

    def stop(self) -> None:
        """Stop all commands, and wait until they have ended and DVC has saved the results of finished ones."""
        with self.send_lock:
            if not self.stopping:
                self.stopping = True
                with suppress(OSError):
                    self.connection.send(None)
                if not self.number:
                    os.kill(self.pid, signal.SIGKILL)  # no stage ran, and it may import for seconds
        self.receiver.join()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class StageProcess:
    """A process of stages, as the server sees it. number: of its current request; None while it is idle."""

    def __init__(self, other_connections: list[Connection], import_paths: list[str] | None) -> None:
        self.connection, process_end = Pipe()
        self.number: int | None = None

        def run_stages() -> None:
            for connection in (self.connection, *other_connections):
                connection.close()
            os.setsid()
            run_jobs(process_end, import_paths)

        self.pid = fork(run_stages) if CAN_FORK else start_python("abreast.run.stage", process_end).pid
        process_end.close()

    def start_job(self, number: int, job: Job, grace: float) -> None:
        self.number, self.stopper = number, Stopper(grace)
        with suppress(OSError):  # it was killed; the server notices when it reads
            self.connection.send(job)

    def end(self) -> int:
        """Let the process end, and return its exit status, negative for a signal."""
        self.connection.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def serve(runner: Connection, preload: list[str], grace: float) -> None:
    """Run the server until the runner ends or sends None, and all stages have ended."""
    with suppress(PermissionError):  # it is a session leader already
        os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # for modules that print when they are imported
    import_paths = script_import_paths() if preload else None
    for name in preload:
        with suppress(Exception):  # the script will raise the same error
            importlib.import_module(name)
    gc.freeze()  # garbage collection in a fork would copy the memory that forks share
    processes: dict[Connection, StageProcess] = {}
    killed: list[tuple[StageProcess, Result]] = []  # their commands are being stopped
    runner_waits = True
    while runner_waits or killed or any(process.number is not None for process in processes.values()):
        timeout = POLL_INTERVAL if killed or not runner_waits else None
        for ready in wait([*processes, *([runner] if runner_waits else [])], timeout):
            assert isinstance(ready, Connection)
            if ready is runner:
                request = receive(runner)
                runner_waits = request is not None
                if request:
                    number, job = request
                    idle = (process for process in processes.values() if process.number is None)
                    process = next(idle, None) or StageProcess([runner, *processes], import_paths)
                    processes[process.connection] = process
                    process.start_job(number, job, grace)
                    send(runner, "started", process.number, process.pid)
                continue
            process = processes[ready]
            message = receive(process.connection)
            if message is None:
                del processes[ready]
                status = process.end()
                if process.number is not None:
                    killed.append((process, Result(1, killed=status)))
            elif isinstance(message, Result):
                send(runner, "ended", process.number, message)
                process.number = None
                if message.status:  # a failed stage must not affect the next one
                    del processes[ready]
                    process.end()
            else:
                send(runner, "notice", process.number, message)
        if not runner_waits:
            for process in processes.values():
                if process.number is not None:
                    process.stopper.stop_commands(process.pid)
        for process, result in list(killed):
            if not process.stopper.stop_commands(process.pid, leader_alive=False):
                killed.remove((process, result))
                send(runner, "ended", process.number, result)
    for process in processes.values():
        process.end()


def main() -> None:
    """Run the server in a process that is not a fork of the runner."""
    serve(Connection(int(sys.argv[1])), [], float(sys.argv[2]))


def fork(function: Callable[[], None]) -> int:
    """Call a function in a forked process that then ends, and return its process id."""
    sys.stdout.flush()  # or both processes would write what is buffered
    sys.stderr.flush()
    return os.fork() or call_and_exit(function)


def call_and_exit(function: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        function()
        status = 0
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(status)  # never return into the code of the parent


def start_python(module: str, child_end: Connection, *arguments: str, **options: Any) -> subprocess.Popen:
    """Start the `main` of a module in a new process; -P keeps the current folder out of its import path."""
    command = [sys.executable, "-P", "-c", f"from {module} import main; main()", str(child_end.fileno()), *arguments]
    process = subprocess.Popen(command, pass_fds=[child_end.fileno()], start_new_session=True, **options)
    POPENS.append(process)
    return process


def receive(connection: Connection) -> Any:
    """Return the next message, or None after the other side has ended."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def send(connection: Connection, *message: Any) -> None:
    with suppress(OSError):  # the runner has ended
        connection.send(message)


class Stopper:
    """Stops the commands of a stage: interrupts each of them once, and kills them after `grace` seconds."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.started: float | None = None
        self.interrupted: set[psutil.Process] = set()

    def stop_commands(self, leader: int, *, leader_alive: bool = True) -> bool:
        """Stop all that the process `leader` has started; return whether anything still runs. Call it repeatedly."""
        if self.started is None:
            self.started = time.monotonic()
            with suppress(OSError):
                if leader_alive:
                    os.kill(leader, STOP_SIGNAL)
        kill = time.monotonic() - self.started > self.grace
        reparented = {process for process in self.interrupted if process.is_running()}  # their parents have ended
        commands = {process for process in descendants(leader) | reparented if is_alive(process.pid)}
        for process in commands:
            with suppress(psutil.Error):
                if kill:
                    process.kill()
                elif process not in self.interrupted:
                    process.send_signal(signal.SIGINT)
        self.interrupted |= commands
        return bool(commands)


def descendants(leader: int) -> set[psutil.Process]:
    """Find all processes that are descendants of a process or in its session; it may have ended."""
    processes = {process.pid: process for process in psutil.process_iter(["ppid"])}
    found = {leader}
    for pid in processes:
        with suppress(OSError):
            if os.getsid(pid) == leader:
                found.add(pid)
    while more := {pid for pid, process in processes.items() if process.info["ppid"] in found and pid not in found}:
        found |= more
    return {processes[pid] for pid in found - {leader} if pid in processes}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
