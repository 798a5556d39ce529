"""Run one stage on a worker, in a process of its own: pull its inputs, let DVC reproduce it, push its outputs.

`worker.py` starts it with a connection that brings a request. It ends when the connection closes, also if the worker is
killed.
"""

import os
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from abreast.cluster.remote import Remote
from abreast.dvc_api import Config, Definition, Options, Repo, dvc_command
from abreast.errors import AbreastError
from abreast.run.server import Server, receive
from abreast.run.stage import Job, Result

WORKER_FAILED = 75  # status if this worker cannot reach the remote
ATTEMPTS = 10  # to push outputs: a training must not be lost because the remote did not answer for a moment


@dataclass(frozen=True)
class Request:
    """A stage of the project in the current folder. log: its log file. inputs: to pull. grace: in seconds."""

    name: str
    definition: Definition
    log: str
    inputs: list[str]
    force: bool
    grace: float


@dataclass(frozen=True)
class Answer:
    """The answer to a request. entry: path and content of the new run-cache entry."""

    result: Result
    entry: tuple[str, bytes] | None = None


def main() -> None:
    connection = Connection(int(sys.argv[1]))
    request = connection.recv()
    server = Server(grace=request.grace)  # forks this process, which has no other thread yet
    os.environ["DVC_NO_ANALYTICS"] = "1"

    def stop_when_connection_closes() -> None:
        receive(connection)
        server.stop()
        os._exit(130)

    threading.Thread(target=stop_when_connection_closes, daemon=True).start()
    answer = answer_request(request, server)
    sys.stdout.flush()
    connection.send(answer)
    server.stop()


def answer_request(request: Request, server: Server) -> Answer:
    try:
        remote = Remote(Repo())
        remote.check(head=False)
        if request.inputs and dvc_command(["pull", "--quiet", *request.inputs]):
            remote.check(head=False)
            print(f"error: the remote {remote.url} lacks inputs of {request.name}; `dvc push` them")
            return Answer(Result(1))
    except AbreastError as error:
        print(f"error: {error}")
        return Answer(Result(WORKER_FAILED))
    sys.stdout.flush()
    options = Options(force=request.force)
    result = server.run(Job(request.name, str(Path.cwd()), request.log, request.definition, options))
    if result.status:
        return Answer(result)
    try:
        remote = Remote(Repo())  # reads dvc.lock again
        remote.retry(lambda: push_outputs(request.name), attempts=ATTEMPTS)
        entry = remote.newest_entry(request.name)
        remote.retry(lambda: remote.upload_entry(*entry), attempts=ATTEMPTS)
    except AbreastError as error:
        print(f"error: {error}; the outputs of {request.name} are lost")
        return Answer(Result(WORKER_FAILED))
    return Answer(result, entry)


def push_outputs(name: str) -> None:
    if dvc_command(["push", "--quiet", name]):
        raise AbreastError(f"dvc push {name} failed")


def write_settings(project: Path, settings: dict[str, Any]) -> None:
    """Write DVC settings that only this worker has."""
    with Config(str(project / ".dvc"), validate=False).edit("local", validate=False) as local:
        local.update(settings)
