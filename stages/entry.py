"""Run a stage: check params.yaml, call its `main`, report errors in one line, restore its outputs on failure.

No stage lists this file as a dependency, since nothing here changes what a stage writes.
"""

import argparse
import hashlib
import inspect
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fashion.errors import InputError
from fashion.files import atomic_write
from fashion.params import check
from fashion.settings.parsing import load_yaml

PARAMS = Path("params.yaml")
OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory")  # in torch's messages, on a CPU and on a GPU
DVC_FILE, _, STAGE = os.environ.get("DVC_STAGE", "").rpartition(":")  # set by DVC; empty if started by hand
LOCK = Path(DVC_FILE or "dvc.yaml").with_suffix(".lock")


def run_stage(main: Callable[..., None]) -> None:
    """Call `main(params)`, or `main(params, name)` with the name of a system or run.

    The name is an argument of the command line, or the part of the stage's name after @, as in train@base. That part is
    never passed to a shell: no setting can inject a command.
    Exits with status 2 on bad input and 130 on Ctrl-C. On any failure, the outputs that DVC removed are restored.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    description = inspect.getdoc(inspect.getmodule(main))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for argument in list(inspect.signature(main).parameters)[1:]:
        default = STAGE.partition("@")[2]
        parser.add_argument(argument, nargs="?" if default else None, default=default)
    arguments = vars(parser.parse_args())
    try:
        params = check(load_yaml(PARAMS), source=str(PARAMS))
        main(params, **arguments)
    except InputError as error:
        restore_outputs()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        restore_outputs()
        print(f"{STAGE or Path(sys.argv[0]).stem}: interrupted; its outputs are as they were", file=sys.stderr)
        sys.exit(130)
    except BaseException as error:
        restore_outputs()
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = "stop other programs, run fewer stages at a time (JOBS=1), or take a smaller batch_size or network"
        print(f"error: out of memory ({reason}); {remedy}", file=sys.stderr)
        sys.exit(2)


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(OUT_OF_MEMORY.search(str(error)))
    )


def restore_outputs() -> None:
    """Copy missing outputs of the last run from DVC's cache: DVC removes outputs before it runs a stage."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a second signal must not interrupt this
        signal.signal(number, signal.SIG_IGN)
    if not STAGE:
        return  # started by hand: nothing was removed
    try:
        copy_from_cache()
    except (InputError, sqlite3.Error) as error:  # this may also be why the stage failed
        print(f"the last outputs could not be restored ({error}); run `dvc checkout`", file=sys.stderr)


def copy_from_cache() -> None:
    from dvc.repo import Repo  # takes a second, and is needed on failure only

    with Repo(_wait_for_lock=True) as repo:
        with repo.lock:  # another process may be writing dvc.lock
            outs = load_yaml(LOCK).get("stages", {}).get(STAGE, {}).get("outs", []) if LOCK.exists() else []
        for path, md5 in (file for out in outs if "md5" in out for file in files_of(out, repo)):
            cached = Path(repo.cache.local.oid_to_path(md5))
            if not path.exists() and cached.is_file() and md5_of(cached) == md5:
                with atomic_write(path) as temporary:
                    shutil.copyfile(cached, temporary)


def files_of(out: dict[str, Any], repo: Any) -> Iterator[tuple[Path, str]]:
    """List the files of an output in dvc.lock with their MD5 sums; DVC's cache has a JSON list for a folder."""
    if not out["md5"].endswith(".dir"):
        yield Path(out["path"]), out["md5"]
        return
    listing = Path(repo.cache.local.oid_to_path(out["md5"]))
    if listing.is_file():
        for entry in json.loads(listing.read_text(encoding="utf-8")):
            yield Path(out["path"], entry["relpath"]), entry["md5"]


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
