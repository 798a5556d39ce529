"""The command `abreast`."""

import argparse
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from abreast.durations import known_durations
from abreast.errors import AbreastError

if TYPE_CHECKING:
    from abreast.cluster import Cluster

DESCRIPTION = "Run the stages of a DVC project side by side, and tell which are stale."
REPRO = """Run every stage that changed, and what depends on it, as many at a time as there are cores.

A stage says in dvc.yaml how many cores it fills: `meta: {cores: 2}`; without that it is one. Stages of most cores start
first, then those that the longest chain of work hangs on, by how long they took before. What comes out is what
`dvc repro` gives, to the byte of dvc.lock. A stage that fails stops only what needs it. Logs and durations: logs/.

Exit status: 0, 1 when a stage failed, 2 when the project or the command line is at fault, 130 after Ctrl-C.
"""
REHEARSE = """Run all stages once, whatever changed, with neither DVC's cache nor its lock.

For a first look and for tests, in a folder of its own: outputs are written over where they lie. Python scripts run as
forks of one process, which has imported what pyproject.toml names: [tool.abreast] preload = ["torch"]. All else is as
in `abreast repro`: the order, `meta: {cores: 2}`, logs and durations, what becomes of a stage that fails.

Exit status: 0, 1 when a stage failed, 2 when the project or the command line is at fault, 130 after Ctrl-C.
"""
CHECK = """Tell whether results follow from what lies beside them, and run nothing; data need not be there.

Each stage that is stale is named with what changed: a command, a dependency, a parameter, an output in git, an entry of
a lock. Those that are stale only through others wait for them. Without TARGET, stages of every dvc.yaml are looked at.

Exit status: 0 when all are fresh, 1 when stages are stale, 2 when the project or the command line is at fault.
"""
HALF = """\
{path}: broken off where DVC was killed while it wrote; its whole entries are kept, and a copy is in {folder}.
The others come out of DVC's cache, or their stages run again: `git checkout {path}` has those that were committed.\
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command with arguments, by default those of the command line; give the exit status."""
    # A shell that starts this in the background has it ignore Ctrl-C, which stages would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = parser().parse_args(arguments)
    try:
        return {"repro": repro, "rehearse": rehearse, "check": check}[wanted.command](wanted)
    except AbreastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = " What was done is kept; the next run goes on from there." if wanted.command == "repro" else ""
        print(f"Interrupted.{kept}", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="abreast", description=DESCRIPTION)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    repro = commands.add_parser(
        "repro",
        help="run what changed, side by side",
        description=REPRO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    repro.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: dvc.yaml)")
    repro.add_argument("-f", "--force", action="store_true", help="run stages that did not change, too")
    repro.add_argument(
        "--verify", action="store_true", help="read all outputs first (1 s for 500 MB) and make anew what is damaged"
    )
    repro.add_argument("--downstream", action="store_true", help="run the targets and what depends on them")
    repro.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler, as tcp://127.0.0.1:8786, whose workers run the longer stages (docs/scaling.md)",
    )
    repro.add_argument("--dry", action="store_true", help="list what would run, and run nothing")
    rehearse = commands.add_parser(
        "rehearse",
        help="run all stages once, with neither cache nor lock",
        description=REHEARSE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for runs in (repro, rehearse):
        runs.add_argument("-j", "--jobs", type=at_least_one, default=cores(), metavar="N", help="cores to fill (all)")
        runs.add_argument(
            "--grace",
            type=int,
            default=20,
            metavar="SECONDS",
            help="what a stopped stage has to tidy up, then it is killed (20)",
        )
        runs.add_argument(
            "--durations",
            type=Path,
            metavar="FILE",
            help="seconds of stages, as {name: seconds}, for a first run",
        )
    check = commands.add_parser(
        "check",
        help="tell which stages are stale, and what changed",
        description=CHECK,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("targets", nargs="*", metavar="TARGET", help="stages, groups or files (default: all)")
    check.add_argument("--json", action="store_true", help="say it as JSON")
    return whole


def check(wanted: argparse.Namespace) -> int:
    """Say which stages are stale; give the exit status."""
    from abreast import check as checking  # DVC takes half a second to import: not for --help

    finding = checking.check(wanted.targets, Path())
    print(finding.as_json() if wanted.json else "\n".join([*finding.lines(), finding.verdict()]))
    return 0 if finding.fresh else 1


def repro(wanted: argparse.Namespace) -> int:
    """Run what is to run; give the exit status."""
    reference = named_durations(wanted.durations)
    from abreast.alone import alone  # DVC takes half a second to import: not for --help
    from abreast.graph import mend_locks, plan
    from abreast.rot import FOLDER
    from abreast.running import Repro

    with alone():
        for path in [] if wanted.dry else mend_locks(wanted.targets):
            print(HALF.format(path=path, folder=FOLDER), file=sys.stderr)
        verify = wanted.verify and not wanted.dry
        work = plan(wanted.targets, force=wanted.force, downstream=wanted.downstream, verify=verify)
        for path in work.damaged:
            print(f"{path}: damaged on the disk; set aside in {FOLDER}, to be made anew", file=sys.stderr)
        if not work.stages:
            print("Everything is up to date.")
            return 0
        if wanted.dry:
            for stage in work.stages:
                print(f"{stage.name}: {stage.command or 'its data changed'}")
            return 0
        cluster = connected(wanted.scheduler) if wanted.scheduler else None
        run = Repro(work, wanted.jobs, reference, force=wanted.force, grace=wanted.grace, cluster=cluster)
        with ThreadPoolExecutor(len(work.stages)) as executor:  # most of its threads wait
            return run.to_the_end(executor)


def rehearse(wanted: argparse.Namespace) -> int:
    """Run all stages; give the exit status."""
    reference = named_durations(wanted.durations)
    from dvc.repo import Repo

    from abreast.alone import alone
    from abreast.forks import Forks
    from abreast.rehearsal import Rehearsal, stages_of, to_preload

    with alone():
        root = Path(Repo.find_root())
        os.chdir(root)
        with Forks(to_preload(root), wanted.grace) as forks:  # it imports while DVC is asked
            stages = stages_of(root)
            run = Rehearsal(stages, wanted.jobs, reference, forks)
            with ThreadPoolExecutor(max(len(stages), 1)) as executor:
                return run.to_the_end(executor)


def named_durations(file: Path | None) -> dict[str, float]:
    """Read the file that --durations names."""
    if file and not file.is_file():
        raise AbreastError(f"{file}: no such file; it was named by --durations")
    return known_durations(file) if file else {}


def connected(scheduler: str) -> "Cluster":
    """Find the workers of a Dask scheduler; AbreastError where that cannot be."""
    try:
        from abreast.cluster import Cluster
    except ModuleNotFoundError as error:
        raise AbreastError(f"--scheduler needs Dask ({error}): pip install dask distributed") from None
    from dvc.repo import Repo

    from abreast.exchange import Exchange
    from abreast.snapshot import Snapshot

    exchange = Exchange(Repo(_wait_for_lock=True))
    exchange.check(head=True)
    return Cluster(scheduler, exchange, Snapshot.of(Path()))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
