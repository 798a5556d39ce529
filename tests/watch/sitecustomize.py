"""Imported by every Python that has this folder on its path: notes in `$OPENED` which results a stage opens."""

import os
import sys
from pathlib import Path

RESULTS = ("data", "models", "metrics", "plots")


def note(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str):
        path = Path(os.path.relpath(arguments[0]))
        if path.parts[0] in RESULTS:
            how = "w" if arguments[1] and set(arguments[1]) & set("wax+") else "r"
            os.write(opened, f"{stage} {how} {path}\n".encode())


if sys.orig_argv[1:] and sys.orig_argv[1].startswith("stages/"):
    stage = os.environ["DVC_STAGE"]
    opened = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.addaudithook(note)
