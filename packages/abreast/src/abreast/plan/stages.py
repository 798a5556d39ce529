"""Ask DVC which stages there are, what each needs, and what is to run."""

import os
import signal
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from abreast.check.damage import set_aside
from abreast.dvc_api import (
    Definition,
    LockError,
    Orders,
    PipelineStage,
    Repo,
    collect_stages,
    confirm,
    get_active_graph,
    holders,
    ignore_entries,
    is_local,
    new_lock_entries,
    plan_repro,
    project,
    pull_run_cache,
)
from abreast.errors import AbreastError
from abreast.plan.resources import Resources

STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Selection:
    """Which stages, by the flags of `dvc repro`; `verify` makes what is damaged on the disk count as changed."""

    targets: list[str] = field(default_factory=list)
    force: bool = False
    downstream: bool = False
    pipeline: bool = False
    all_pipelines: bool = False
    single_item: bool = False
    recursive: bool = False
    glob: bool = False
    interactive: bool = False
    pull: bool = False
    run_cache: bool = True
    allow_missing: bool = False
    verify: bool = False

    def dry(self) -> Self:
        """Give the same for a list of what would run: nothing is asked, fetched or set aside."""
        return replace(self, interactive=False, pull=False, verify=False)


@dataclass(frozen=True)
class Stage:
    """A stage of the plan.

    name: as `dvc repro` takes it, from the project's root. needs: stages of the plan to run before it. upstream: all
    that it takes something from. deps, outs: files and folders, from the root. meta: all that dvc.yaml says there.
    """

    name: str
    command: str
    definition: Definition
    needs: frozenset[str]
    resources: Resources
    upstream: Mapping[str, Definition] = field(default_factory=dict)
    deps: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is to run, in the order in which `dvc repro` would.

    orders: what stages will add to locks and files .gitignore. damaged: outputs that were set aside, to be made anew.
    """

    stages: list[Stage]
    orders: Orders
    damaged: list[Path] = field(default_factory=list)


def plan(wanted: Selection) -> Plan:
    """Take what changed and all that depends on it, as `dvc repro` does; go to the project's root.

    AbreastError where DVC finds a fault, or the user says no.
    """
    with project() as repo:
        single = wanted.single_item and not (wanted.pipeline or wanted.all_pipelines)
        targets = [] if wanted.all_pipelines else wanted.targets or ["dvc.yaml"]
        steps = collect_stages(repo, targets, recursive=wanted.recursive, glob=wanted.glob)
        os.chdir(repo.root_dir)
        if wanted.pull and wanted.run_cache:
            pull_run_cache(repo)
        graph = repo.index.graph
        active = get_active_graph(graph)  # in which frozen stages need nothing
        if not single:
            downstream = wanted.downstream and not (wanted.pipeline or wanted.all_pipelines)
            steps = plan_repro(active, steps, pipeline=wanted.pipeline, downstream=downstream)  # needs come first
        runnable = [step for step in steps if step.cmd and not step.frozen]
        damaged = set_aside(out for step in runnable for out in step.outs) if wanted.verify else []
        allow_missing = wanted.allow_missing and not damaged
        upstream = {step: [] if single else [*active.successors(step)] for step in steps}
        chosen: list[Any] = []
        for step in steps:
            affected = not set(chosen).isdisjoint(upstream[step])
            if wanted.force or affected or changed(step, allow_missing=allow_missing, upstream=upstream[step]):
                chosen.append(step)
        if wanted.interactive or repo.config["core"].get("interactive", False):
            confirm(chosen)
        before: list[Any] = []
        stages = []
        for step in chosen:
            # Of stages that are connected, the one that DVC would run first does: a frozen one may come before what it
            # reads, or after; with --single-item, the order is that of the targets.
            needs = [*graph.successors(step), *graph.predecessors(step)]
            stages.append(stage_of(step, repo, [need for need in needs if need in before], upstream[step]))
            before.append(step)
        return Plan(stages, {**new_lock_entries(chosen), **ignore_entries(chosen)}, damaged)


def changed(step: Any, **how: Any) -> bool:
    """Ask DVC whether one of its stages changed; Ctrl-C and SIGTERM wait meanwhile, since DVC takes notes of files."""
    caught: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in STOPS}
    try:
        return bool(step.changed(**how))
    except LockError as error:  # another process of DVC uses its files: the stage will wait, and ask again
        holders(error)
        return True
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if caught:
            raise KeyboardInterrupt


def all_stages(root: Path) -> list[Stage]:
    """List every stage with a command of the project in a folder; AbreastError where DVC finds a fault."""
    with project(root) as repo:
        graph = repo.index.graph
        steps = [step for step in plan_repro(graph) if step.cmd]
        return [stage_of(step, repo, [need for need in graph.successors(step) if need.cmd]) for step in steps]


def stage_of(step: Any, repo: Repo, needs: list[Any], upstream: list[Any] | None = None) -> Stage:
    """Take what is needed of one of DVC's stages."""
    root = Path(repo.root_dir)
    file = os.path.relpath(step.path, root)
    return Stage(
        name_of(step, root),
        command_of(step.cmd),
        definition_of(step, root),
        frozenset(name_of(need, root) for need in needs),
        Resources.read(step.meta, f"{file}: {getattr(step, 'name', '')}".removesuffix(": ")),
        {name_of(need, root): definition_of(need, root) for need in upstream or []},
        paths(step.deps, root),
        paths(step.outs, root),
        step.meta if isinstance(step.meta, dict) else {},
    )


def definition_of(step: Any, root: Path) -> Definition:
    file = os.path.relpath(step.path, root)
    return Definition(file, step.name, step.definition) if isinstance(step, PipelineStage) else Definition(file)


def name_of(step: Any, root: Path) -> str:
    """Name one of DVC's stages as from the root, wherever this process is at work."""
    file = os.path.relpath(step.path, root)
    if not isinstance(step, PipelineStage):
        return file
    return step.name if file == "dvc.yaml" else f"{file}:{step.name}"


def command_of(command: str | list[str] | None) -> str:
    """Give a stage's commands in one line, to be shown."""
    lines = command if isinstance(command, list) else (command or "").splitlines()
    lines = [line for line in lines if line.strip()]
    return "; ".join(lines)


def paths(items: Any, root: Path) -> tuple[str, ...]:
    return tuple(sorted(os.path.relpath(it.fs_path, root) if is_local(it) else str(it) for it in items))


def to_preload(root: Path) -> list[str]:
    """Read from pyproject.toml which modules scripts share: [tool.abreast] preload."""
    file = root / "pyproject.toml"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise AbreastError(f"{file}: {error}") from None
    modules = settings.get("tool", {}).get("abreast", {}).get("preload", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise AbreastError(f"{file}: tool.abreast.preload: {modules!r} is not a list of names of modules")
    return modules
