"""The command line: `abreast repro`, `rehearse`, `check` and `log`."""

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

DESCRIPTION = "Run the stages of a DVC project in parallel, and tell which stages are stale."
REPRO = """Run the stages that changed, and all stages that depend on them, in parallel.

The flags are those of `dvc repro`, and the files are the same, dvc.lock included. A stage that fails stops only the
stages that depend on it. A stage uses one core while it runs, unless dvc.yaml says otherwise:
  meta: {cores: 2, memory: 8 GB, gpu: 1, mutex: [database], retries: 2}
Stages with the most cores start first, then those with the longest chain of dependent stages, by their last durations.
Logs are in .dvc/tmp/abreast/logs. `abreast log` shows the time and memory of each stage.

Exit status: 0, 1 if a stage failed, 2 if the project or the command line is wrong, 130 after Ctrl-C.
"""
REHEARSE = """Run all stages once, changed or not, without DVC's cache and lock.

Use it to try a pipeline or to test it, in a copy of the project: it overwrites outputs. Order, `meta`, logs and
failures are as in `abreast repro`.

Exit status: 0, 1 if a stage failed, 2 if the project or the command line is wrong, 130 after Ctrl-C.
"""
CHECK = """Tell whether the results follow from code, parameters and dvc.lock. Runs nothing, and needs no data.

Each stale stage is listed with what changed: a command, a dependency, a parameter, an output in git, or a lock entry.
Stages that depend on a stale stage are listed as waiting. Without TARGET, all stages of all dvc.yaml files are checked.

Exit status: 0 if all stages are fresh, 1 if stages are stale, 2 if the project or the command line is wrong.
"""
LOG = """Show each stage of the last run: wall time, processor time, and memory of its largest process.

Exit status: 0, 2 if there was no run.
"""
UP_TO_DATE = "Everything is up to date."


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, by default that of the process, and return the exit status."""
    # A shell that starts abreast in the background lets it ignore Ctrl-C, and stages would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args = make_parser().parse_args(arguments)
    try:
        status = {"repro": repro, "rehearse": rehearse, "check": check, "log": log}[args.command](args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `abreast check | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (AbreastError, OSError) as error:  # such as a full disk
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = " Finished stages are kept; the next run continues from there." if args.command == "repro" else ""
        print(f"Interrupted.{kept}", file=sys.stderr)
        return 130


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="abreast", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"abreast {version('abreast')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add_command(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        formatter = argparse.RawDescriptionHelpFormatter
        return subparsers.add_parser(name, help=summary, description=description, formatter_class=formatter)

    add_repro_flags(add_command("repro", "run the stages that changed, in parallel", REPRO))
    add_run_flags(add_command("rehearse", "run all stages once, without DVC's cache and lock", REHEARSE))
    check_parser = add_command("check", "tell which stages are stale, and what changed", CHECK)
    check_parser.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: all)")
    check_parser.add_argument("--json", action="store_true", help="print JSON")
    log_parser = add_command("log", "show time and memory of each stage in the last run", LOG)
    log_parser.add_argument("--back", type=integer(0), default=0, metavar="N", help="show the N-th run before the last")
    log_parser.add_argument("--json", action="store_true", help="print JSON")
    log_parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a timeline of the stages into a file")
    return parser


def add_repro_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `dvc repro`, with the same names, and those that only abreast has."""
    group = parser.add_argument_group("as in `dvc repro`")
    group.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: dvc.yaml)")

    def add_flag(*names: str, **options: str) -> None:
        group.add_argument(*names, action="store_true", **options)  # type: ignore[arg-type]

    add_flag("-f", "--force", help="also run stages that did not change")
    add_flag("-s", "--single-item", help="run only the targets; connected targets run in the given order")
    add_flag("-p", "--pipeline", help="run all stages that are connected with the targets")
    add_flag("-P", "--all-pipelines", help="run all stages of all dvc.yaml files")
    add_flag("-R", "--recursive", help="a target may be a folder: run the stages in it")
    add_flag("--glob", help="a target may be a pattern, such as train@*")
    add_flag("--downstream", help="run the targets and the stages that depend on them")
    add_flag("--force-downstream", help="run all stages that depend on a stage that ran, changed or not")
    add_flag("--pull", help="fetch missing data")
    add_flag("--allow-missing", help="skip stages if only their data is missing")
    add_flag("--dry", help="list the stages that would run, and run nothing")
    add_flag("-i", "--interactive", help="ask for each stage whether to run it, before the first one starts")
    add_flag(
        "-k", "--keep-going", help="after a failure, run the stages that do not depend on it; always so in abreast"
    )
    add_flag("--ignore-errors", help="also run stages that depend on a failed one, and exit with status 0")
    add_flag("--no-commit", help="do not store outputs in DVC's cache")
    group.add_argument(
        "--no-run-cache",
        dest="run_cache",
        action="store_false",
        help="run stages even if the run cache has their results",
    )
    add_run_flags(parser)
    parser.add_argument(
        "--verify",
        action="store_true",
        help="first read all outputs (1 s for 500 MB), and run the stages of damaged ones",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler, such as tcp://127.0.0.1:8786; its workers run the long stages",
    )


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-j", "--jobs", type=integer(1), metavar="N", help="cores to use (default: all)")
    parser.add_argument(
        "--grace",
        type=integer(0),
        default=20,
        metavar="SECONDS",
        help="after Ctrl-C, seconds until a command is killed (default: 20)",
    )
    parser.add_argument(
        "--durations",
        type=Path,
        metavar="FILE",
        help="expected seconds of stages for a first run, as {name: seconds} in JSON",
    )


def integer(minimum: int) -> Callable[[str], int]:
    """Return a type for argparse: integers from a minimum."""

    def parse(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text} is less than {minimum}")
        return int(text)

    parse.__name__ = "integer"  # argparse prints it
    return parse


def check(args: argparse.Namespace) -> int:
    """Print which stages are stale, and return the exit status."""
    from abreast.check import freshness  # DVC takes a second to import: not for --help

    result = freshness.check(args.targets, Path())
    print(result.as_json() if args.json else "\n".join([*result.lines(), result.verdict()]))
    return 0 if result.fresh else 1


def log(args: argparse.Namespace) -> int:
    """Show time and memory of the stages of a run."""
    from rich.console import Console

    from abreast.dvc_api import find_root
    from abreast.run import history
    from abreast.run.timeline import draw_svg

    records = history.records_of_run(find_root(), args.back)
    if args.svg:
        args.svg.write_text(draw_svg(records), encoding="utf-8")
    elif args.json:
        print(history.as_json(records))
    else:
        Console(soft_wrap=True).print(history.table(records))
    return 0


def repro(args: argparse.Namespace) -> int:
    """Run the stages that changed, and return the exit status."""
    durations = read_durations(args.durations)
    from abreast.check.damage import FOLDER
    from abreast.dvc_api import Options
    from abreast.plan.stages import Selection, make_plan, to_preload
    from abreast.run.run_lock import run_lock
    from abreast.run.server import Server

    selection = Selection(**{field.name: getattr(args, field.name) for field in fields(Selection)})
    if args.dry:
        stages = make_plan(selection.without_side_effects()).stages
        lines = [f"{stage.name}: {stage.command or 'its data changed'}" for stage in stages]
        print("\n".join(lines or [UP_TO_DATE]))
        return 0
    with run_lock() as root, Server(to_preload(root), args.grace) as server:  # it imports while DVC makes the plan
        plan = make_plan(selection)
        for path in plan.damaged:
            print(f"{path}: damaged on disk; moved to {FOLDER}; its stage runs again", file=sys.stderr)
        if not plan.stages:
            print(UP_TO_DATE)
            return 0
        from abreast.run.runner import Run, Settings  # imports rich, which takes as long as checking some stages

        allow_missing = args.allow_missing and not plan.damaged
        options = Options(args.force, args.pull, allow_missing, args.no_commit, args.run_cache)
        settings = Settings(
            args.jobs,
            durations,
            options,
            entry_order=plan.entry_order,
            force_downstream=args.force_downstream,
            ignore_errors=args.ignore_errors,
            grace=args.grace,
        )
        cluster = connect_cluster(args.scheduler) if args.scheduler else None
        return Run(root, plan.stages, settings, server, cluster).execute()


def rehearse(args: argparse.Namespace) -> int:
    """Run all stages without DVC's cache and lock, and return the exit status."""
    durations = read_durations(args.durations)
    from abreast.plan.stages import all_stages, to_preload
    from abreast.run.run_lock import run_lock
    from abreast.run.runner import Run, Settings
    from abreast.run.server import Server

    with run_lock() as root, Server(to_preload(root), args.grace) as server:
        os.chdir(root)
        stages = all_stages(root)
        if not stages:
            raise AbreastError("no stages with a command: there is nothing to run")
        settings = Settings(args.jobs, durations, rehearse=True, grace=args.grace)
        return Run(root, stages, settings, server).execute()


def read_durations(file: Path | None) -> dict[str, float]:
    """Read the file of --durations."""
    if file and not file.is_file():
        raise AbreastError(f"--durations {file}: no such file")
    from abreast.plan import durations

    return durations.read_seconds(file) if file else {}


def connect_cluster(scheduler: str) -> "Cluster":
    """Connect to the workers of a Dask scheduler; AbreastError if that fails."""
    try:
        from abreast.cluster.head import Cluster
    except ModuleNotFoundError as error:
        raise AbreastError(f'--scheduler needs Dask ({error}): pip install "abreast[dask]"') from None
    return Cluster.connect(scheduler)
