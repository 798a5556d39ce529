"""The command `abreast`: `abreast repro`, `rehearse`, `check` and `log`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from abreast.errors import AbreastError

if TYPE_CHECKING:
    from abreast.cluster.head import Cluster

DESCRIPTION = "Run the stages of a DVC project side by side, and tell which are stale."
REPRO = """Run every stage that changed, and what depends on it, as many at a time as there are cores.

It takes what `dvc repro` takes, and leaves what that leaves, to the byte of dvc.lock. A stage that fails stops only
what needs it. dvc.yaml says what a stage fills while it runs:
  meta: {cores: 2, memory: 8 GB, gpu: 1, mutex: [database], retries: 2}
Without that it fills one core. Stages of most cores start first, then those that the longest chain of stages depends
on, by how long they took before. Logs: .dvc/tmp/abreast/logs; what stages took: `abreast log`.

Exit status: 0, 1 when a stage failed, 2 when the project or the command line is wrong, 130 after Ctrl-C.
"""
REHEARSE = """Run all stages once, whatever changed, with neither DVC's cache nor its lock.

For a first look and for tests, in a folder of its own: outputs are written over where they lie. Order, `meta`, logs and
what becomes of a stage that fails are those of `abreast repro`.

Exit status: 0, 1 when a stage failed, 2 when the project or the command line is wrong, 130 after Ctrl-C.
"""
CHECK = """Tell whether results follow from what lies beside them, and run nothing; data need not be there.

Each stage that is stale is named with what changed: a command, a dependency, a parameter, an output in git, an entry of
a lock. Those that are stale only through others wait for them. Without TARGET, stages of every dvc.yaml are looked at.

Exit status: 0 when all are fresh, 1 when stages are stale, 2 when the project or the command line is wrong.
"""
LOG = """Show what each stage of the last run took: seconds, processor seconds, memory of its largest process.

Exit status: 0, 2 when there was no run.
"""
FRESH = "Everything is up to date."


def main(arguments: list[str] | None = None) -> int:
    """Run the command with arguments, by default those of the command line; give the exit status."""
    # A shell that starts this in the background has it ignore Ctrl-C, which stages would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = parser().parse_args(arguments)
    try:
        status = {"repro": repro, "rehearse": rehearse, "check": check, "log": log}[given.command](given)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of `abreast check | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (AbreastError, OSError) as error:  # such as of a full disk
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = " What was done is kept; the next run goes on from there." if given.command == "repro" else ""
        print(f"Interrupted.{kept}", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="abreast", description=DESCRIPTION)
    whole.add_argument("--version", action="version", version=f"abreast {version('abreast')}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, about: str, description: str) -> argparse.ArgumentParser:
        layout = argparse.RawDescriptionHelpFormatter
        return commands.add_parser(name, help=about, description=description, formatter_class=layout)

    add_repro(add("repro", "run what changed, side by side", REPRO))
    add_run(add("rehearse", "run all stages once, with neither cache nor lock", REHEARSE))
    check = add("check", "tell which stages are stale, and what changed", CHECK)
    check.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: all)")
    check.add_argument("--json", action="store_true", help="say it as JSON")
    log = add("log", "show what each stage of the last run took", LOG)
    log.add_argument("--back", type=number(0), default=0, metavar="N", help="of the run that was N runs earlier (0)")
    log.add_argument("--json", action="store_true", help="say it as JSON")
    log.add_argument("--svg", type=Path, metavar="FILE", help="draw when each stage ran into a file")
    return whole


def add_repro(repro: argparse.ArgumentParser) -> None:
    """Add the flags of `dvc repro`, of the same names, and ours."""
    flags = repro.add_argument_group("as in `dvc repro`")
    flags.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: dvc.yaml)")

    def flag(*names: str, **more: str) -> None:
        flags.add_argument(*names, action="store_true", **more)  # type: ignore[arg-type]

    flag("-f", "--force", help="run stages that did not change, too")
    flag("-s", "--single-item", help="run the targets alone; connected ones in the order given")
    flag("-p", "--pipeline", help="run all stages that are connected with the targets")
    flag("-P", "--all-pipelines", help="run all stages of all files dvc.yaml")
    flag("-R", "--recursive", help="a target may be a folder: run the stages in it")
    flag("--glob", help="a target may be a pattern: train@*")
    flag("--downstream", help="run the targets and what depends on them")
    flag("--force-downstream", help="run all that depends on a stage that ran, changed or not")
    flag("--pull", help="fetch data that are missing")
    flag("--allow-missing", help="leave out stages of which only data are missing")
    flag("--dry", help="list what would run, and run nothing")
    flag("-i", "--interactive", help="ask of each stage whether to run it, all before the first starts")
    flag("-k", "--keep-going", help="go on with what does not need a stage that failed: so it always is here")
    flag("--ignore-errors", help="run what needs a stage that failed, too, and end with status 0")
    flag("--no-commit", help="put no outputs into DVC's cache")
    flags.add_argument(
        "--no-run-cache", dest="run_cache", action="store_false", help="run stages that ran with the same inputs before"
    )
    add_run(repro)
    repro.add_argument(
        "--verify", action="store_true", help="read all outputs first (1 s for 500 MB) and make anew what is damaged"
    )
    repro.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler, as tcp://127.0.0.1:8786, whose workers run the longer stages",
    )


def add_run(runs: argparse.ArgumentParser) -> None:
    runs.add_argument("-j", "--jobs", type=number(1), metavar="N", help="cores to fill (default: all)")
    runs.add_argument(
        "--grace",
        type=number(0),
        default=20,
        metavar="SECONDS",
        help="what a stopped stage has to tidy up, then it is killed (20)",
    )
    runs.add_argument(
        "--durations", type=Path, metavar="FILE", help="seconds of stages, as {name: seconds}, for a first run"
    )


def number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    read.__name__ = "whole number"  # as argparse calls it
    return read


def check(given: argparse.Namespace) -> int:
    """Say which stages are stale; give the exit status."""
    from abreast.check.freshness import check as look  # DVC takes a second to import: not for --help

    finding = look(given.targets, Path())
    print(finding.as_json() if given.json else "\n".join([*finding.lines(), finding.verdict()]))
    return 0 if finding.fresh else 1


def log(given: argparse.Namespace) -> int:
    """Show what the last run took."""
    from rich.console import Console

    from abreast.dvc_api import find_root
    from abreast.run import history
    from abreast.run.timeline import draw

    records = history.last_run(find_root(), given.back)
    if given.svg:
        try:
            given.svg.write_text(draw(records), encoding="utf-8")
        except OSError as error:
            raise AbreastError(f"{given.svg}: {error.strerror}") from None
    elif given.json:
        print(history.as_json(records))
    else:
        Console(soft_wrap=True).print(history.table(records))
    return 0


def repro(given: argparse.Namespace) -> int:
    """Run what is to run; give the exit status."""
    reference = durations(given.durations)
    from abreast.check.damage import FOLDER
    from abreast.dvc_api import Options
    from abreast.plan.stages import Selection, plan, to_preload
    from abreast.run.run_lock import run_lock
    from abreast.run.server import Server

    wanted = Selection(**{it.name: getattr(given, it.name) for it in fields(Selection)})
    if given.dry:
        stages = plan(wanted.dry()).stages
        lines = [f"{stage.name}: {stage.command or 'its data changed'}" for stage in stages]
        print("\n".join(lines or [FRESH]))
        return 0
    with run_lock() as root, Server(to_preload(root), given.grace) as server:  # it imports while DVC is asked
        work = plan(wanted)
        for path in work.damaged:
            print(f"{path}: damaged on the disk; set aside in {FOLDER}, to be made anew", file=sys.stderr)
        if not work.stages:
            print(FRESH)
            return 0
        from abreast.run.runs import Run, Settings  # with rich, which takes as long as a look at some stages

        allow_missing = given.allow_missing and not work.damaged
        options = Options(given.force, given.pull, allow_missing, given.no_commit, given.run_cache)
        settings = Settings(
            given.jobs,
            reference,
            options,
            orders=work.orders,
            force_downstream=given.force_downstream,
            ignore_errors=given.ignore_errors,
            grace=given.grace,
        )
        cluster = connected(given.scheduler) if given.scheduler else None
        return Run(root, work.stages, settings, server, cluster).to_the_end()


def rehearse(given: argparse.Namespace) -> int:
    """Run all stages; give the exit status."""
    reference = durations(given.durations)
    from abreast.plan.stages import all_stages, to_preload
    from abreast.run.run_lock import run_lock
    from abreast.run.runs import Run, Settings
    from abreast.run.server import Server

    with run_lock() as root, Server(to_preload(root), given.grace) as server:
        os.chdir(root)
        stages = all_stages(root)
        if not stages:
            raise AbreastError("no stages with a command: there is nothing to rehearse")
        settings = Settings(given.jobs, reference, rehearse=True, grace=given.grace)
        return Run(root, stages, settings, server).to_the_end()


def durations(file: Path | None) -> dict[str, float]:
    """Read the file that --durations names."""
    if file and not file.is_file():
        raise AbreastError(f"{file}: no such file; it was named by --durations")
    from abreast.plan.durations import read_durations

    return read_durations(file) if file else {}


def connected(scheduler: str) -> "Cluster":
    """Find the workers of a Dask scheduler; AbreastError where that cannot be."""
    try:
        from abreast.cluster.head import Cluster
    except ModuleNotFoundError as error:
        raise AbreastError(f'--scheduler needs Dask ({error}): pip install "abreast[dask]"') from None
    return Cluster.connect(scheduler)
