"""Tell whether results follow from what lies beside them, stage by stage, and run nothing."""

import json
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from abreast.check.changes import Change, Comparison
from abreast.dvc_api import PipelineStage, collect_stages, get_active_graph, plan_repro, project
from abreast.errors import AbreastError


@dataclass(frozen=True)
class Finding:
    """A project against its locks.

    files: that say its stages. changes: of each stage that is stale itself. waits: which of these the others wait for
    that are downstream. left: entries of locks, FILE:NAME, of what is no stage any more.
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
        """Say it, a line for each thing that changed."""
        changed = [f"{stage}: {change}" for stage, changes in self.changes.items() for change in changes]
        waiting = [f"{stage}: waits for {some(roots)}" for stage, roots in self.waits.items()]
        return [*changed, *waiting, *(f"{entry}: an entry of what is no stage any more" for entry in self.left)]

    def verdict(self) -> str:
        """Say the whole in a line, and what to do."""
        if self.fresh:
            return f"Fresh: {counted(self.stages)} of {some(self.files)} {are(self.stages)} as the lock says."
        words = []
        if self.changes:
            number, waiting = len(self.changes), len(self.waits)
            them = "it" if number == 1 else "them"
            more = f", and {waiting} wait{'s' if waiting == 1 else ''} for {them}" if waiting else ""
            remedies = ["run `abreast repro`"] if len(self.unseen) < number else []
            if self.unseen:
                names = " ".join(self.unseen)
                remedies.append(f"run `dvc repro --force --single-item {names}`, where DVC itself sees no change")
            remedy = f"{' and '.join(remedies)}; commit what is written, or take the change back"
            words.append(f"{counted(number)} {are(number)} stale{more}: {remedy}.")
        if self.left:
            words.append("Delete from the lock what is no stage any more.")
        return " ".join(words)

    @property
    def unseen(self) -> list[str]:
        """Name the stages that no `dvc repro` would run."""
        return [stage for stage, changes in self.changes.items() if not any(change.seen for change in changes)]

    def as_json(self) -> str:
        changes = {stage: [asdict(change) for change in changes] for stage, changes in self.changes.items()}
        return json.dumps({"fresh": self.fresh, **asdict(self), "changes": changes}, indent=2, default=str)


def check(targets: list[str], folder: Path) -> Finding:
    """Compare the stages of the project around a folder, or targets and what they need, with their locks.

    Without targets, the stages of all its files dvc.yaml and .dvc. AbreastError where DVC finds a fault.
    """
    with chdir(folder), project() as repo:
        wanted = collect_stages(repo, targets) if targets else None
        with chdir(repo.root_dir):
            graph = get_active_graph(repo.index.graph)  # in which frozen stages need nothing
            steps: list[Any] = plan_repro(graph, wanted)  # each after those that it needs
            if not steps:
                raise AbreastError("no stages: there is neither a dvc.yaml nor a .dvc file")
            comparison = Comparison(repo)
            changes: dict[str, list[Change]] = {}
            waits: dict[str, list[str]] = {}
            for step in steps:
                name = step.addressing
                if found := comparison.changes(step):
                    changes[name] = found
                    continue
                needs = [need.addressing for need in graph.successors(step)]
                roots = [root for need in needs for root in ([need] if need in changes else waits.get(need, []))]
                if roots:
                    waits[name] = list(dict.fromkeys(roots))
            files = sorted({str(Path(step.path).relative_to(repo.root_dir)) for step in steps})
            left = [] if targets else left_over(steps, comparison)
    return Finding(len(steps), files, changes, waits, left)


def left_over(steps: list[Any], comparison: Comparison) -> list[str]:
    """Find the entries of locks whose stages are gone."""
    known: dict[Path, set[str]] = {}
    for step in steps:
        if isinstance(step, PipelineStage):
            known.setdefault(Path(step.path).with_suffix(".lock"), set()).add(step.name)
    return [
        f"{lock.relative_to(Path.cwd())}:{name}"
        for lock, names in known.items()
        for name in comparison.entries(lock)
        if name not in names
    ]


def counted(number: int) -> str:
    return f"{number} stage{'' if number == 1 else 's'}"


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def some(names: list[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
