"""Run all stages of a project once, as they are, with neither DVC's cache nor its lock: for a first look, or a test."""

import os
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.errors import AbreastError
from abreast.forks import Forks
from abreast.graph import cores, project
from abreast.running import Run, expected_seconds
from abreast.scheduling import Task


@dataclass(frozen=True)
class Stage:
    """A stage with a command, as DVC resolves it.

    name: as `dvc repro` takes it, from the project's root. folder: to run the command in. needs: the stages to run
    before it. cores: that it fills. deps, outs: files and folders, from the root.
    """

    name: str
    command: str
    folder: Path
    needs: frozenset[str]
    cores: int
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def stages_of(root: Path) -> list[Stage]:
    """Ask DVC for all stages of the project in a folder; AbreastError where it finds a fault."""
    with project(root) as repo:
        graph, root = repo.index.graph, Path(repo.root_dir)
        return [
            Stage(
                name_of(step, root),
                command_of(step.cmd),
                Path(step.wdir),
                frozenset(name_of(need, root) for need in graph.successors(step) if need.cmd),
                cores(step),
                paths(step.deps, root),
                paths(step.outs, root),
            )
            for step in graph
            if step.cmd
        ]


def command_of(said: str | list[str]) -> str:
    """Give one command for a shell; DVC runs each line of several in a shell of its own."""
    lines = [line for line in (said if isinstance(said, list) else said.splitlines()) if line.strip()]
    shell = os.environ.get("SHELL") or "/bin/sh"
    return lines[0] if len(lines) == 1 else " && ".join(f"{shell} -c {shlex.quote(line)}" for line in lines)


def name_of(step: Any, root: Path) -> str:
    """Name one of DVC's stages as from the root, wherever this process is at work."""
    file = os.path.relpath(step.path, root)
    return step.name if file == "dvc.yaml" else f"{file}:{step.name}" if not file.endswith(".dvc") else file


def paths(those: Any, root: Path) -> tuple[str, ...]:
    return tuple(sorted(os.path.relpath(it.fs_path, root) if it.protocol == "local" else str(it) for it in those))


def to_preload(root: Path) -> list[str]:
    """Read from pyproject.toml which modules are slow to import: [tool.abreast] preload."""
    file = root / "pyproject.toml"
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise AbreastError(f"{file}: {error}") from None
    modules = said.get("tool", {}).get("abreast", {}).get("preload", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise AbreastError(f"{file}: tool.abreast.preload: {modules!r} is not a list of names of modules")
    return modules


class Rehearsal(Run):
    """A run of all stages as forks of one process.

    reference: seconds that stages took elsewhere, for those that this machine does not know.
    """

    def __init__(self, stages: list[Stage], jobs: int, reference: dict[str, float], forks: Forks) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.forks = forks
        seconds = expected_seconds(self.stages, reference)
        super().__init__([Task(stage.name, stage.needs, seconds[stage.name], stage.cores) for stage in stages], jobs)

    def run_stage(self, name: str) -> int:
        stage, log = self.stages[name], self.logs[name]
        log.parent.mkdir(parents=True, exist_ok=True)
        status = self.forks.run(name, Path(), stage.folder, log, stage.command)
        missing = [out for out in stage.outs if "://" not in out and not Path(out).exists()]
        if status or not missing:
            return status
        with log.open("a", encoding="utf-8") as file:
            file.write(f"error: {missing[0]} was not written, which is an output of {name}\n")
        return 1

    def stop(self) -> None:
        self.forks.stop()

    def tidy(self) -> None:
        """Nothing: no lock was written, and whoever made the forks closes them."""
