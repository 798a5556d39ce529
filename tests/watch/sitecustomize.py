"""Imported by every Python that has this folder on its path: notes in `$OPENED` which results a stage opens.

A stage's script may be a fork of the runner, so each process looks at what it runs when it opens a file.
"""

import os
import sys
from pathlib import Path

RESULTS = ("data", "models", "metrics", "plots")


def note(event: str, arguments: tuple) -> None:
    if event != "open" or not isinstance(arguments[0], str) or not sys.argv[0].startswith("stages/"):
        return
    path = Path(os.path.relpath(arguments[0]))
    if path.parts[0] in RESULTS:
        how = "w" if arguments[1] and set(arguments[1]) & set("wax+") else "r"
        opened = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(opened, f"{os.environ['DVC_STAGE']} {how} {path}\n".encode())
        os.close(opened)


sys.addaudithook(note)
