"""Ask DVC which stages there are, what each needs, and what is to run."""

import functools
import logging
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.dirs import site_cache_dir
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.utils.serialize import LOADERS

from abreast.errors import AbreastError
from abreast.halves import delete_half_notes, half_locks, mend
from abreast.order import Ignores, Locks
from abreast.rot import FOLDER, set_aside

STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Stage:
    """A stage that is to run.

    name: as `dvc repro` takes it, from the project's root. needs: the stages to run before it. cores: that it fills.
    meta: what else it says of itself. ignores: files in folders that it depends on, to be put in order before.
    """

    name: str
    command: str
    needs: frozenset[str]
    cores: int
    meta: dict[str, Any]
    ignores: Ignores


@dataclass(frozen=True)
class Plan:
    """What is to run, in the order in which `dvc repro` would, and the locks that it will change.

    damaged: outputs that were set aside, to be made anew.
    """

    stages: list[Stage]
    locks: Locks
    damaged: list[Path]


def plan(targets: list[str], *, force: bool = False, downstream: bool = False, verify: bool = False) -> Plan:
    """Take what changed and all that hangs on it, as `dvc repro TARGET...` does; go to the project's root.

    With `force`, take what did not change, too; with `verify`, what is damaged on the disk. AbreastError where DVC
    finds a fault.
    """
    with project() as repo:
        wanted = collect_stages(repo, targets or ["dvc.yaml"])
        os.chdir(repo.root_dir)
        graph = get_active_graph(repo.index.graph)  # in which frozen stages need nothing
        steps = plan_repro(graph, wanted, downstream=downstream)  # each after those that it needs
        damaged = set_aside(out for step in steps if step.cmd for out in step.outs) if verify else []
        affected: list[Any] = []
        for step in steps:
            if force or not set(affected).isdisjoint(graph.successors(step)) or changed(step):
                affected.append(step)
        stages = [stage_of(step, affected[:place], repo) for place, step in enumerate(affected)]
        return Plan(stages, Locks.of(affected), damaged)


def mend_locks(targets: list[str]) -> list[Path]:
    """Mend the locks that DVC left half-written beside the dvc.yaml files that targets name; give their paths."""
    if not half_locks(targets):
        return []
    with project(wait=True) as repo:  # which another process may just have been writing
        halves = half_locks(targets)
        for lock in halves:
            mend(lock, Path(repo.root_dir, FOLDER, os.path.relpath(lock, repo.root_dir)))
        return halves


@contextmanager
def project(root: Path | None = None, *, wait: bool = False) -> Iterator[Repo]:
    """Open a folder's project, or the one around here, to ask DVC about its stages; AbreastError on a fault.

    wait: for other processes of DVC to be done, which is a fault otherwise.
    """
    load = LOADERS[".yaml"]
    LOADERS[".yaml"] = functools.cache(load)  # DVC reads params.yaml anew for each stage, 40 ms a time
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its findings are ours to report
    try:
        with Repo(root and str(root), _wait_for_lock=wait) as repo, repo.lock:
            delete_half_notes(Path(repo.tmp_dir or ".dvc/tmp") / "rwlock")
            yield repo
    except DvcException as error:
        raise AbreastError(" ".join(str(error).split())) from None
    except sqlite3.Error as error:  # of what DVC notes of files, to know them again
        remedy = f"try again, or delete {site_cache_dir()}, which loses nothing"
        raise AbreastError(f"DVC's notes of files cannot be read ({error}); {remedy}") from None
    finally:
        LOADERS[".yaml"] = load  # what changes while stages run is seen


def changed(step: Any) -> bool:
    """Ask DVC whether one of its stages changed; Ctrl-C and SIGTERM wait so long.

    DVC notes in .dvc/tmp/rwlock which files it reads, and what is left of that file when it is interrupted while it
    writes keeps every later run from starting.
    """
    caught: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in STOPS}
    try:
        return bool(step.changed())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if caught:
            raise KeyboardInterrupt


def stage_of(step: Any, before: list[Any], repo: Repo) -> Stage:
    """Take what is needed of one of DVC's stages; `before` it, `dvc repro` would run these.

    A frozen stage, too, waits for those whose outputs it reads, so that it finds what it would find after `dvc repro`.
    """
    needs = set(repo.index.graph.successors(step)) & set(before)
    return Stage(
        step.addressing,
        step.cmd if isinstance(step.cmd, str) else "; ".join(step.cmd or []),
        frozenset(need.addressing for need in needs),
        cores(step),
        step.meta if isinstance(step.meta, dict) else {},
        Ignores.of(step, [need for need in before if need in needs]),
    )


def cores(step: Any) -> int:
    """Read how many cores a stage says it fills."""
    said = step.meta.get("cores", 1) if isinstance(step.meta, dict) else 1
    if not isinstance(said, int) or isinstance(said, bool) or said < 1:
        file = Path(step.path).relative_to(step.repo.root_dir)
        raise AbreastError(f"{file}: {step.name}: meta.cores: {said!r} is not a whole number from 1")
    return said
