"""Run a stage's `main`: check `params.yaml` whole, say in one line what is wrong, lose nothing.

Nothing here can change what a stage writes, so no stage lists it as a dependency.
"""

import argparse
import inspect
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "packages/abreast/src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # the code beside this file, wherever a copy of it runs

from abreast.check.checksums import md5
from fashion.errors import InputError
from fashion.files import replacing
from fashion.params import check
from fashion.settings.parsing import load_yaml
from intact import check_what_is_read
from orphan import end_with_dvc

PARAMS = Path("params.yaml")
NO_MEMORY = re.compile("can't allocate memory|out of memory")  # as torch says it, of the CPU and of a GPU
FILE, _, STAGE = os.environ.get("DVC_STAGE", "").rpartition(":")  # DVC tells its stages where they stand
LOCK = Path(FILE or "dvc.yaml").with_suffix(".lock")


def run(main: Callable[..., None]) -> None:
    """Call `main(params)`, or `main(params, name)` with the name of a system.

    The name is taken from the command line, else from that of the stage, train@NAME: so it never passes through the
    shell that DVC runs commands in, and no setting can put a command of its own there.
    Exits with status 2 on bad input and 130 on Ctrl-C. Whatever happens, outputs that DVC removed beforehand come back.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if STAGE:
        end_with_dvc(STAGE)
    description = inspect.getdoc(inspect.getmodule(main))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in list(inspect.signature(main).parameters)[1:]:
        of_stage = STAGE.partition("@")[2]
        parser.add_argument(name, nargs="?" if of_stage else None, default=of_stage, help="of the system")
    arguments = vars(parser.parse_args())
    try:
        params = check(load_yaml(PARAMS), source=str(PARAMS))
        if STAGE:
            check_what_is_read(STAGE, {Path("dvc.lock"), LOCK})
        main(params, **arguments)
    except InputError as error:
        put_back_outputs()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        put_back_outputs()
        print(f"{STAGE or Path(sys.argv[0]).stem}: interrupted; its outputs are as they were", file=sys.stderr)
        sys.exit(130)
    except BaseException as error:
        put_back_outputs()
        if not of_memory(error):
            raise
        remedy = "stop other programs, run fewer stages at a time (JOBS=1), or take a smaller batch_size or network"
        said = " ".join(str(error).split()) or type(error).__name__
        print(f"error: no memory left ({said}); {remedy}", file=sys.stderr)
        sys.exit(2)


def of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error))))


def put_back_outputs() -> None:
    """Copy the stage's last outputs back from DVC's cache, as far as they are gone: DVC deletes before it runs."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # so that a second one, such as of `end_with_dvc`, breaks nothing off
    if not STAGE:
        return  # started by hand: nothing was deleted
    try:
        copy_from_cache()
    except (InputError, sqlite3.Error) as error:  # perhaps the fault that ended the stage
        print(f"the last outputs could not be put back ({error}); `dvc checkout` does", file=sys.stderr)


def copy_from_cache() -> None:
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo:
        with repo.lock:  # another process may be writing to dvc.lock, which is not done in one go
            outs = load_yaml(LOCK).get("stages", {}).get(STAGE, {}).get("outs", []) if LOCK.exists() else []
        for out in outs:
            if "md5" not in out:
                continue  # written by a DVC whose cache goes by another checksum
            files = {Path(out["path"]): out["md5"]}
            if out["md5"].endswith(".dir"):  # a folder: a list of its files, as JSON
                listing = Path(repo.cache.local.oid_to_path(out["md5"]))
                listed = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []
                files = {Path(out["path"], entry["relpath"]): entry["md5"] for entry in listed}
            for place, checksum in files.items():
                cached = Path(repo.cache.local.oid_to_path(checksum))
                if not place.exists() and cached.is_file() and md5(cached) == checksum:
                    with replacing(place) as temporary:
                        shutil.copyfile(cached, temporary)
