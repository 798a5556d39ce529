"""Run Python scripts one after another, each in a fork of a process that has the slow imports behind it.

A stage of the sample takes a second or two, of which imports were two thirds.

Reads lines of JSON from standard input, [stage, folder, log, script, argument...]; answers each with an exit status.
"""

import contextlib
import importlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

# Nothing of this project: each script imports the code that lies beside it.
SLOW = ("torch", "torch._dynamo", "numba", "pandas", "safetensors.torch", "scipy.stats", "sklearn.metrics", "pydantic")


def main() -> None:
    for name in SLOW:
        with contextlib.suppress(ImportError):  # the script will say so if it needs it
            importlib.import_module(name)
    for line in sys.stdin:
        stage, folder, log, *command = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ["DVC_STAGE"] = stage
            run(folder, log, command)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(folder: str, log: str, command: list[str]) -> None:
    """Become the script, as `python SCRIPT ARGUMENT...` in that folder would; never return."""
    status = 0
    try:
        os.chdir(folder)
        for stream, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
            os.dup2(os.open(path, flags), stream)
        os.dup2(1, 2)
        sys.argv = command
        sys.path[0] = str(Path(command[0]).parent.absolute())
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 0 if exit_.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
