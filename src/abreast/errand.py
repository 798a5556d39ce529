"""Pull what a stage reads, run it by `dvc repro --single-item`, push what it made: a process of its own on a worker.

Arguments: a file for what the run cache learnt, the stage, whether to force it (yes or no), then the paths to pull.
"""

import sys
import time
from pathlib import Path
from typing import Any

UNFIT = 75  # exit status where this worker cannot reach the remote
MISSING = 76  # where the remote has not got an input
TRIES = 5
PAUSE = 10  # seconds; a training is not to be lost because the remote did not answer for a moment


def main() -> int:
    file, name, force, *inputs = sys.argv[1:]
    from dvc.cli import main as dvc
    from dvc.repo import Repo

    from abreast.errors import AbreastError
    from abreast.exchange import Exchange

    try:
        exchange = Exchange(Repo())
        exchange.check(head=False)
        if inputs and dvc(["pull", "--quiet", *inputs]):
            exchange.check(head=False)
            print(f"error: the remote {exchange.url} has not got all that {name} reads")
            return MISSING
    except AbreastError as error:
        print(f"error: {error}")
        return UNFIT
    status = dvc(["repro", "--single-item", name, *(["--force"] if force == "yes" else [])])
    if status:
        return status
    try:
        exchange = Exchange(Repo())  # reads anew
        push(dvc, name)
        path, content = exchange.entry(name)
        exchange.keep_trying(lambda: exchange.send_entry(path, content), tries=TRIES)
    except AbreastError as error:
        print(f"error: {error}; what {name} made is lost")
        return UNFIT
    Path(file).write_bytes(path.encode() + b"\n" + content)
    return 0


def push(dvc: Any, name: str) -> None:
    from abreast.errors import AbreastError

    for _ in range(TRIES):
        if dvc(["push", "--quiet", name]) == 0:
            return
        print("the remote does not take it; trying again", flush=True)
        time.sleep(PAUSE)
    raise AbreastError(f"dvc push {name} failed {TRIES} times")


def write_settings(project: Path, settings: dict[str, Any]) -> None:
    """Write DVC's settings for this worker alone."""
    from dvc.config import Config

    with Config(str(project / ".dvc"), validate=False).edit("local", validate=False) as there:
        there.update(settings)


if __name__ == "__main__":
    sys.exit(main())
