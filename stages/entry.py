"""Run a stage's `main`: check `params.yaml` whole, say in one line what is wrong, lose nothing.

Nothing here can change what a stage writes, so no stage lists it as a dependency.
"""

import argparse
import inspect
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # the code beside this file, wherever a copy of it runs

from fashion.errors import InputError
from fashion.params import check
from fashion.settings.parsing import load_yaml

PARAMS = Path("params.yaml")
LOCKS = (Path("dvc.lock"), Path("stages/dvc.lock"))
CACHE = Path(".dvc/cache/files/md5")


def run(main: Callable[..., None]) -> None:
    """Call `main(params, *arguments)`, the arguments being its further parameters, taken from the command line.

    Exits with status 2 on bad input and 130 on Ctrl-C, after putting back the outputs that DVC removed beforehand.
    """
    description = inspect.getdoc(inspect.getmodule(main))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in list(inspect.signature(main).parameters)[1:]:
        parser.add_argument(name)
    arguments = vars(parser.parse_args())
    stage = "@".join([Path(sys.argv[0]).stem, *arguments.values()])
    try:
        main(check(load_yaml(PARAMS), source=str(PARAMS)), **arguments)
    except InputError as error:
        put_back_outputs(stage)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        put_back_outputs(stage)
        print(f"{stage}: interrupted; nothing written", file=sys.stderr)
        sys.exit(130)


def put_back_outputs(stage: str) -> None:
    """Copy the stage's last outputs back from DVC's cache, as far as they are gone: DVC deletes before it runs."""
    for path in LOCKS:
        if path.exists():
            outs = load_yaml(path).get("stages", {}).get(stage, {}).get("outs", [])
            for out in outs:
                place, digest = Path(out["path"]), out.get("md5", "")
                cached = CACHE / digest[:2] / digest[2:]
                if not place.exists() and cached.is_file():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(cached, place)
