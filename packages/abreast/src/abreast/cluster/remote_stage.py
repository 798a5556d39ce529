"""Pull what a stage reads, have DVC reproduce it, push what it made: a process of its own on a worker.

Started by `worker.py` with a connection that brings a request. It ends with the connection, however the worker ends.
"""

import os
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from abreast.cluster.exchange import Exchange
from abreast.dvc_api import Config, Definition, Options, Repo, dvc_command
from abreast.errors import AbreastError
from abreast.run.server import Server, received
from abreast.run.stage import Job, Result

UNFIT = 75  # status where this worker cannot reach the remote
MISSING = 76  # where the remote has not got an input
TRIES = 5
PAUSE = 10  # seconds; a training is not to be lost because the remote did not answer for a moment


@dataclass(frozen=True)
class Request:
    """A stage of the project in the current folder. log: where it writes. inputs: to pull. grace: in seconds."""

    name: str
    definition: Definition
    log: str
    inputs: list[str]
    force: bool
    grace: float


@dataclass(frozen=True)
class Answer:
    """What came of it. entry: of the run cache, a path and its content."""

    result: Result
    entry: tuple[str, bytes] | None = None


def main() -> None:
    connection = Connection(int(sys.argv[1]))
    request = connection.recv()
    server = Server(grace=request.grace)  # a fork of this process while it has no other thread
    os.environ["DVC_NO_ANALYTICS"] = "1"

    def stop_at_the_end() -> None:
        received(connection)
        server.stop()
        os._exit(130)

    threading.Thread(target=stop_at_the_end, daemon=True).start()
    answer = carry_out(request, server)
    sys.stdout.flush()
    connection.send(answer)
    server.stop()


def carry_out(request: Request, server: Server) -> Answer:
    try:
        exchange = Exchange(Repo())
        exchange.check(head=False)
        if request.inputs and dvc_command(["pull", "--quiet", *request.inputs]):
            exchange.check(head=False)
            print(f"error: the remote {exchange.url} has not got all that {request.name} reads")
            return Answer(Result(MISSING))
    except AbreastError as error:
        print(f"error: {error}")
        return Answer(Result(UNFIT))
    sys.stdout.flush()
    options = Options(force=request.force)
    result = server.run(Job(request.name, str(Path.cwd()), request.log, request.definition, options))
    if result.status:
        return Answer(result)
    try:
        exchange = Exchange(Repo())  # reads anew
        push(request.name)
        entry = exchange.entry(request.name)
        exchange.keep_trying(lambda: exchange.send_entry(*entry), tries=TRIES)
    except AbreastError as error:
        print(f"error: {error}; what {request.name} made is lost")
        return Answer(Result(UNFIT))
    return Answer(result, entry)


def push(name: str) -> None:
    for _ in range(TRIES):
        if dvc_command(["push", "--quiet", name]) == 0:
            return
        print("the remote does not take it; trying again", flush=True)
        time.sleep(PAUSE)
    raise AbreastError(f"dvc push {name} failed {TRIES} times")


def write_settings(project: Path, settings: dict[str, Any]) -> None:
    """Write DVC's settings for this worker alone."""
    with Config(str(project / ".dvc"), validate=False).edit("local", validate=False) as local:
        local.update(settings)
