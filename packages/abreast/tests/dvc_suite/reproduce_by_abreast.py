"""A pytest plugin for DVC's own tests: runs `abreast repro` instead of `Repo.reproduce`.

Each call runs `abreast repro` in a process of its own. `CANNOT_PASS` names the tests that watch functions of DVC in
this process, and so cannot pass. They are expected to fail: the whole run fails if one of them passes.
"""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from dvc.exceptions import DvcException, ReproductionError
from dvc.repo import Repo
from dvc.stage import PipelineStage

CANNOT_PASS = {  # a test: why
    "test_force_import": "counts calls of `fs_download`",
    "test_memory_for_multiple_runs_of_same_stage": "counts calls of `StageCache.restore`",
    "test_memory_runs_of_multiple_stages": "counts calls of `StageCache.restore`",
    "test_newest_entry_is_loaded_for_non_deterministic_stage": "counts calls of `StageCache.restore`",
    "test_repro_all_pipelines": "replaces `Stage.reproduce`",
    "test_repro_ignore_errors": "hands a function to `Repo.reproduce`, and counts its calls",
    "test_repro_keep_going": "hands a function to `Repo.reproduce`, and counts its calls",
    "test_repro_when_cmd_changes": "counts calls of `cmd_run`",
    "test_restore": "counts calls of `StageCache.restore`",
    "test_restore_pull": "counts calls of `StageCache.restore`",
}
SWITCHES = {  # arguments of `Repo.reproduce`; the flags have the same names
    *("all_pipelines", "allow_missing", "downstream", "dry", "force", "force_downstream", "glob", "interactive"),
    *("no_commit", "pipeline", "pull", "recursive", "single_item"),
}
ON_ERROR = {"fail": [], "keep-going": ["--keep-going"], "ignore": ["--ignore-errors"]}
DONE = re.compile(r"(.+): done in .+ left")  # what `abreast repro` writes of a stage that changed, on stderr
LISTED = re.compile(r"(.+?): .+")  # what `abreast repro --dry` writes of a stage, on stdout


def reproduce(repo: Repo, targets: Any = None, **options: Any) -> list[Any]:
    """Run `abreast repro` in place of `Repo.reproduce`, and return the stages that changed.

    They come in the order in which they ended. Errors have the classes of DVC's.
    """
    names = [targets] if isinstance(targets, str) else targets or []
    command = [sys.executable, "-P", "-m", "abreast", "repro", *flags(**options), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    repo._reset()  # what it knows of stages is of before
    if done.returncode == 2:
        repo.check_graph([])  # raises DVC's own error where the graph of stages is at fault
        raise DvcException(done.stderr)
    if done.returncode:
        raise ReproductionError("a stage failed") from DvcException(done.stderr)
    stages = {name_of(stage): stage for stage in repo.index.stages}
    lines, wanted = (done.stdout, LISTED) if options.get("dry") else (done.stderr, DONE)
    return [stages[found[1]] for line in lines.splitlines() if (found := wanted.fullmatch(line))]


def flags(*, run_cache: bool = True, on_error: str | None = None, **switches: Any) -> list[str]:
    """Return the flags of `abreast repro` for the arguments of `Repo.reproduce`."""
    given = [name for name, value in switches.items() if value]
    assert SWITCHES.issuperset(given), f"no flags of `abreast repro`: {', '.join({*given} - SWITCHES)}"
    named = [f"--{name.replace('_', '-')}" for name in given]
    return [*named, *([] if run_cache else ["--no-run-cache"]), *ON_ERROR[on_error or "fail"]]


def name_of(stage: Any) -> str:
    """Return the name of a stage as in `abreast`, from the project's root."""
    file = os.path.relpath(stage.path, stage.repo.root_dir)
    if not isinstance(stage, PipelineStage):
        return file
    return stage.name if file == "dvc.yaml" else f"{file}:{stage.name}"


@pytest.fixture(autouse=True)
def _reproduce_by_abreast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Repo, "reproduce", reproduce)


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Expect the tests of `CANNOT_PASS` to fail."""
    for item in items:
        if reason := CANNOT_PASS.get(item.originalname):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
