"""Write to the file `$OPENED` which results each stage opens; Python imports this file if its folder is on the path.

A stage may run in a fork of abreast, so each process checks at every open whether it runs a stage.
"""

import os
import sys
from pathlib import Path

RESULTS = ("data", "models", "metrics", "plots")


def record_open(event: str, arguments: tuple) -> None:
    """Append a line with stage, mode (r or w) and path, if a stage opens a result."""
    if event != "open" or not isinstance(arguments[0], str) or "/stages/" not in sys.argv[0]:
        return
    path = Path(os.path.relpath(arguments[0]))
    if path.parts[0] in RESULTS:
        mode = "w" if arguments[1] and set(arguments[1]) & set("wax+") else "r"
        log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(log, f"{os.environ['DVC_STAGE']} {mode} {path}\n".encode())
        os.close(log)


sys.addaudithook(record_open)
