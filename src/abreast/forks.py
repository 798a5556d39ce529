"""Run commands as forks of one process that has the slow imports of their Python scripts behind it.

A stage that takes a second of its own spends several on starting Python, importing torch and asking DVC; a fork of a
process that has imported torch starts in milliseconds.

As a command: it imports the modules that its arguments name, after the seconds that a stopped command has to tidy up.
Then it reads lines of JSON from standard input, [stage, root, folder, log, command], and answers each with
[log, exit status] when that command has ended. It goes on for as long as standard input stays open: when the runner
closes it or dies, however it does, what still runs is stopped.
"""

import contextlib
import importlib
import io
import json
import os
import re
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

from abreast.errors import AbreastError
from abreast.guard import stop_children

LOOK = 0.02  # seconds between two looks for commands that have ended
PLAIN = re.compile(r"python3? +([\w./-]+\.py(?: +[\w@%+=:,./-]+)*) *", re.ASCII)  # nothing in it that is for a shell


class Forks:
    """The process, for the runner: to be closed at the end, and able to run any number of commands at a time.

    preload: modules to import beforehand. grace: seconds that stopped commands have to tidy up.
    """

    def __init__(self, preload: Iterable[str], grace: int = 20) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # stages say python, and mean this one
        # Where cores are scarce, threads that spin while they wait for each other take the time of those that work.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PATH": path}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "abreast.forks", str(grace), *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # a terminal's Ctrl-C is for the runner alone
        )
        self.answers: dict[str, Future[int]] = {}  # to come, by log
        self.writing = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def read(self) -> None:
        """Hand on the answers, to the end of the process."""
        assert self.process.stdout is not None
        try:
            with self.process.stdout as answers:
                for line in answers:
                    log, status = json.loads(line)
                    self.answers.pop(log).set_result(status)
        finally:
            for answer in list(self.answers.values()):
                answer.set_exception(ended())

    def run(self, stage: str, root: Path, folder: Path, log: Path, command: str) -> int:
        """Run a stage's command in a folder of a project, with all that it says into a log; give its exit status."""
        key = str(log.absolute())
        answer = self.answers[key] = Future()
        assert self.process.stdin is not None
        try:
            with self.writing:
                print(
                    json.dumps([stage, str(root.absolute()), str(folder.absolute()), key, command]),
                    file=self.process.stdin,
                    flush=True,
                )
        except (OSError, ValueError):  # a broken pipe, a closed one
            raise ended() from None
        return answer.result()

    def stop(self) -> None:
        """End all that runs, and wait until it has."""
        assert self.process.stdin is not None
        with self.writing, contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        with contextlib.suppress(ProcessLookupError):  # what it left behind, if something killed it
            os.killpg(self.process.pid, signal.SIGKILL)


def ended() -> AbreastError:
    return AbreastError("the process that stages are forks of has ended, perhaps for want of memory")


def main() -> None:
    grace, *modules = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what modules print when they are imported is no answer
    for name in modules:
        with contextlib.suppress(Exception):  # the script will say so if it needs it
            importlib.import_module(name)
    requests = io.FileIO(0, closefd=False)  # without a buffer, of which `select` would not know
    running: dict[int, str] = {}  # log, by process
    while True:
        if select.select([requests], [], [], LOOK if running else None)[0]:
            line = requests.readline()
            if not line:
                break
            stage, root, folder, log, command = json.loads(line)
            process = os.fork()
            if process == 0:
                os.close(answers.fileno())
                become(stage, root, folder, log, command)
            running[process] = log
        tell_of_ended(running, answers)
    started = time.monotonic()
    interrupted: set[Any] = set()
    while running:
        stop_children(os.getpid(), interrupted, kill=time.monotonic() - started > int(grace))
        time.sleep(LOOK)
        tell_of_ended(running, answers)


def tell_of_ended(running: dict[int, str], answers: TextIO) -> None:
    """Answer the runner for commands that have ended."""
    for process in list(running):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            with contextlib.suppress(BrokenPipeError):  # the runner is gone
                print(json.dumps([running.pop(process), os.waitstatus_to_exitcode(status)]), file=answers, flush=True)


def become(stage: str, root: str, folder: str, log: str, command: str) -> NoReturn:
    """Run a stage's command, which this process is there for from now on, as DVC would."""
    for stream, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        os.dup2(os.open(path, flags, 0o666), stream)
    os.dup2(1, 2)
    os.chdir(folder)
    os.environ.update(DVC_STAGE=stage, DVC_ROOT=root)
    plain = PLAIN.fullmatch(command)
    # On macOS, its own libraries may end a process that forks when they are loaded: there, each starts anew.
    if plain is None or sys.platform == "darwin":
        shell = os.environ.get("SHELL") or "/bin/sh"
        os.execv(shell, [shell, "-c", command])
    status = 1
    try:
        sys.argv = plain[1].split()
        sys.path[0] = str(Path(sys.argv[0]).parent.absolute())
        for name in [name for name in sys.modules if name.partition(".")[0] == __spec__.parent]:
            del sys.modules[name]  # the script may have another one beside it
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # to take torch down in order, in memory shared with other forks, took 1.3 s


if __name__ == "__main__":
    main()
