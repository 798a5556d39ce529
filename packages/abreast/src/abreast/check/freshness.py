"""Tell which stages are stale: whose results do not follow from the code, parameters and data beside them."""

import json
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from abreast.check.changes import Change, Comparison
from abreast.dvc_api import PipelineStage, collect_stages, get_active_graph, plan_repro, project
from abreast.errors import AbreastError


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    stages: how many were checked. files: dvc.yaml and .dvc files that define them. changes: of each stale stage. waits:
    for each stage that depends on stale ones, these. left: entries of lock files that have no stage, as FILE:NAME.
    """

    stages: int
    files: list[str]
    changes: dict[str, list[Change]]
    waits: dict[str, list[str]]
    left: list[str]

    @property
    def fresh(self) -> bool:
        return not self.changes and not self.left

    def lines(self) -> list[str]:
        """Describe each change in a line."""
        changed = [f"{stage}: {change}" for stage, changes in self.changes.items() for change in changes]
        waiting = [f"{stage}: waits for {join_names(stale)}" for stage, stale in self.waits.items()]
        return [*changed, *waiting, *(f"{entry}: an entry without a stage" for entry in self.left)]

    def verdict(self) -> str:
        """Summarise the result and what to do, in one line."""
        if self.fresh:
            return f"Fresh: {count_stages(self.stages)} of {join_names(self.files)}, as in the lock."
        sentences = []
        if self.changes:
            waiting = f", {len(self.waits)} waiting" if self.waits else ""
            commands = ["run `abreast repro`"] if len(self.unseen) < len(self.changes) else []
            if self.unseen:
                names = " ".join(self.unseen)
                commands.append(f"run `dvc repro --force --single-item {names}`, since DVC sees no change there")
            remedy = f"{' and '.join(commands)}; then commit the results, or revert the change"
            sentences.append(f"{count_stages(len(self.changes))} stale{waiting}: {remedy}.")
        if self.left:
            sentences.append("Delete the entries without a stage from the lock.")
        return " ".join(sentences)

    @property
    def unseen(self) -> list[str]:
        """Return the stale stages that `dvc repro` would not run."""
        return [stage for stage, changes in self.changes.items() if not any(change.seen for change in changes)]

    def as_json(self) -> str:
        changes = {stage: [asdict(change) for change in changes] for stage, changes in self.changes.items()}
        return json.dumps({"fresh": self.fresh, **asdict(self), "changes": changes}, indent=2, default=str)


def check(targets: list[str], folder: Path) -> CheckResult:
    """Compare stages of the project in or around a folder with their lock files; by default, all stages.

    targets: stages or files; stages that they depend on are compared, too. AbreastError if DVC finds an error.

    >>> check([], Path(".")).fresh
    True
    """
    with chdir(folder), project() as repo:
        target_stages = collect_stages(repo, targets) if targets else None
        with chdir(repo.root_dir):
            graph = get_active_graph(repo.index.graph)  # in it, frozen stages depend on nothing
            stages: list[Any] = plan_repro(graph, target_stages)  # each after those that it depends on
            if not stages:
                raise AbreastError("no stages: there is neither a dvc.yaml nor a .dvc file")
            comparison = Comparison(repo)
            changes: dict[str, list[Change]] = {}
            waits: dict[str, list[str]] = {}
            for stage in stages:
                name = stage.addressing
                if stage_changes := comparison.changes(stage):
                    changes[name] = stage_changes
                    continue
                needs = [need.addressing for need in graph.successors(stage)]
                stale = [other for need in needs for other in ([need] if need in changes else waits.get(need, []))]
                if stale:
                    waits[name] = list(dict.fromkeys(stale))
            files = sorted({str(Path(stage.path).relative_to(repo.root_dir)) for stage in stages})
            left = [] if targets else entries_without_stage(stages, comparison)
    return CheckResult(len(stages), files, changes, waits, left)


def entries_without_stage(dvc_stages: list[Any], comparison: Comparison) -> list[str]:
    """List the entries of lock files whose stages no longer exist, as FILE:NAME."""
    names: dict[Path, set[str]] = {}
    for stage in dvc_stages:
        if isinstance(stage, PipelineStage):
            names.setdefault(Path(stage.path).with_suffix(".lock"), set()).add(stage.name)
    return [
        f"{lock.relative_to(Path.cwd())}:{entry}"
        for lock, known in names.items()
        for entry in comparison.entries(lock)
        if entry not in known
    ]


def count_stages(number: int) -> str:
    return f"{number} stage{'' if number == 1 else 's'}"


def join_names(names: list[str]) -> str:
    """Join the first five names, and count the others."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
