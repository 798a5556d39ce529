"""Ask DVC for the stages of a project, their dependencies, and which of them have to run."""

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
    EntryOrder,
    LockError,
    PipelineStage,
    Repo,
    blockers,
    collect_stages,
    confirm,
    get_active_graph,
    is_local,
    new_ignore_lines,
    new_lock_entries,
    plan_repro,
    project,
    pull_run_cache,
)
from abreast.errors import AbreastError
from abreast.plan.resources import Resources

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Selection:
    """Which stages to run: the flags of `dvc repro`, and `verify`, with which a damaged output counts as changed."""

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

    def without_side_effects(self) -> Self:
        """Return the selection for --dry: no questions, no downloads, no damaged outputs moved."""
        return replace(self, interactive=False, pull=False, verify=False)


@dataclass(frozen=True)
class Stage:
    """A stage of the plan.

    name: from the project's root, as `dvc repro` takes it. needs: stages of the plan that run before it. upstream: all
    stages that it depends on. deps, outs: files and folders, from the root. meta: `meta` of the stage in dvc.yaml.
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
    """The stages to run, in the order of `dvc repro`.

    entry_order: what they will add to dvc.lock and .gitignore files. damaged: outputs that were moved away.
    """

    stages: list[Stage]
    entry_order: EntryOrder
    damaged: list[Path] = field(default_factory=list)


def make_plan(selection: Selection) -> Plan:
    """Select the stages that changed and those that depend on them, as `dvc repro` does; change to the project's root.

    AbreastError if DVC finds an error, or the user answers "no".
    """
    with project() as repo:
        all_or_connected = selection.pipeline or selection.all_pipelines
        single_item = selection.single_item and not all_or_connected
        targets = [] if selection.all_pipelines else selection.targets or ["dvc.yaml"]
        candidates = collect_stages(repo, targets, recursive=selection.recursive, glob=selection.glob)
        os.chdir(repo.root_dir)
        if selection.pull and selection.run_cache:
            pull_run_cache(repo)
        graph = repo.index.graph
        active_graph = get_active_graph(graph)  # in it, frozen stages depend on nothing
        if not single_item:
            downstream = selection.downstream and not all_or_connected
            candidates = plan_repro(active_graph, candidates, pipeline=selection.pipeline, downstream=downstream)
        runnable = [stage for stage in candidates if stage.cmd and not stage.frozen]
        damaged = set_aside(out for stage in runnable for out in stage.outs) if selection.verify else []
        allow_missing = selection.allow_missing and not damaged
        upstream = {stage: [] if single_item else [*active_graph.successors(stage)] for stage in candidates}
        selected: list[Any] = []
        for stage in candidates:  # each after the stages that it depends on
            affected = not set(selected).isdisjoint(upstream[stage])
            if selection.force or affected or changed(stage, allow_missing=allow_missing, upstream=upstream[stage]):
                selected.append(stage)
        if selection.interactive or repo.config["core"].get("interactive", False):
            confirm(selected)
        stages = []
        earlier: list[Any] = []
        for stage in selected:
            # Connected stages run in the order of DVC: a frozen stage may come before or after the stages that it
            # reads from; with --single-item, the order is that of the targets.
            connected = [*graph.successors(stage), *graph.predecessors(stage)]
            stages.append(make_stage(stage, repo, [other for other in connected if other in earlier], upstream[stage]))
            earlier.append(stage)
        return Plan(stages, {**new_lock_entries(selected), **new_ignore_lines(selected)}, damaged)


def changed(dvc_stage: Any, **options: Any) -> bool:
    """Ask DVC whether a stage changed; Ctrl-C and SIGTERM wait until DVC has updated its record of files in use."""
    caught: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in STOP_SIGNALS}
    try:
        return bool(dvc_stage.changed(**options))
    except LockError as error:  # another DVC process uses its files: the stage will wait, and ask again
        blockers(error)
        return True
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if caught:
            raise KeyboardInterrupt


def all_stages(root: Path) -> list[Stage]:
    """List all stages with a command of the project in a folder; AbreastError if DVC finds an error.

    >>> [stage.name for stage in all_stages(Path("."))]
    ['prepare', 'train']
    """
    with project(root) as repo:
        graph = repo.index.graph
        stages = [stage for stage in plan_repro(graph) if stage.cmd]
        return [make_stage(stage, repo, [need for need in graph.successors(stage) if need.cmd]) for stage in stages]


def make_stage(dvc_stage: Any, repo: Repo, needs: list[Any], upstream: list[Any] | None = None) -> Stage:
    """Make a stage of the plan from a stage of DVC."""
    root = Path(repo.root_dir)
    file = os.path.relpath(dvc_stage.path, root)
    return Stage(
        name_of(dvc_stage, root),
        command_line(dvc_stage.cmd),
        definition_of(dvc_stage, root),
        frozenset(name_of(need, root) for need in needs),
        Resources.read(dvc_stage.meta, f"{file}: {getattr(dvc_stage, 'name', '')}".removesuffix(": ")),
        {name_of(need, root): definition_of(need, root) for need in upstream or []},
        relative_paths(dvc_stage.deps, root),
        relative_paths(dvc_stage.outs, root),
        dvc_stage.meta if isinstance(dvc_stage.meta, dict) else {},
    )


def definition_of(dvc_stage: Any, root: Path) -> Definition:
    file = os.path.relpath(dvc_stage.path, root)
    if not isinstance(dvc_stage, PipelineStage):
        return Definition(file)
    return Definition(file, dvc_stage.name, dvc_stage.definition)


def name_of(dvc_stage: Any, root: Path) -> str:
    """Return the name of a stage from the project's root: NAME, FOLDER/dvc.yaml:NAME or FILE.dvc."""
    file = os.path.relpath(dvc_stage.path, root)
    if not isinstance(dvc_stage, PipelineStage):
        return file
    return dvc_stage.name if file == "dvc.yaml" else f"{file}:{dvc_stage.name}"


def command_line(command: str | list[str] | None) -> str:
    """Join the commands of a stage in one line."""
    lines = command if isinstance(command, list) else (command or "").splitlines()
    lines = [line for line in lines if line.strip()]
    return "; ".join(lines)


def relative_paths(items: Any, root: Path) -> tuple[str, ...]:
    return tuple(sorted(os.path.relpath(item.fs_path, root) if is_local(item) else str(item) for item in items))


def to_preload(root: Path) -> list[str]:
    """Read from pyproject.toml which modules to import once for all scripts: `preload` in [tool.abreast].

    >>> to_preload(Path("."))
    ['torch', 'pandas']
    """
    file = root / "pyproject.toml"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise AbreastError(f"{file}: {error}") from None
    modules = settings.get("tool", {}).get("abreast", {}).get("preload", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise AbreastError(f"{file}: tool.abreast.preload: {modules!r} is not a list of module names")
    return modules
