"""Open a DVC project, wait for its lock, and report DVC's errors in one line."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import dvc.lock
from dvc import prompt
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotSupported, _get_stage_hash
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import LOADERS, parse_yaml_for_update
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError, determine_linecol

from abreast.dvc_api.rwlock import blockers, describe_process
from abreast.errors import AbreastError

LOCK_TIMEOUT = 0.03  # seconds in which DVC asks six times for its lock; its default pauses half a second between two
NOTICE_AFTER = 2.0  # seconds of waiting for the lock after which the user is told
STOPPED = "stopped before its command began"


@contextmanager
def project(root: Path | None = None) -> Iterator[Repo]:
    """Open and lock the project in a folder, or around the current one; AbreastError where DVC raises an error.

    >>> with project() as repo:
    ...     print(len(repo.index.stages))
    """

    def notify(text: str) -> None:
        print(f"abreast {text}", file=sys.stderr, flush=True)

    load_yaml, load_stage = LOADERS[".yaml"], StageLoader.__dict__["load_stage"]

    def load_with_definition(cls: Any, file: Any, name: str, content: dict[str, Any], entry: Any = None) -> Any:
        definition = deepcopy(content)
        stage = load_stage.__func__(cls, file, name, content, entry)
        stage.definition = definition
        return stage

    LOADERS[".yaml"] = cache(load_yaml)  # DVC reads params.yaml again for each stage, 40 ms a time
    StageLoader.load_stage = classmethod(load_with_definition)
    logging.getLogger("dvc").setLevel("CRITICAL")  # abreast reports its errors
    try:
        with faults(), open_repo(str(root) if root else None, notify) as repo, repo.lock:
            yield repo
    finally:
        LOADERS[".yaml"], StageLoader.load_stage = load_yaml, load_stage


def open_repo(root: str | None, notify: Callable[[str], None], is_stopped: Callable[[], bool] = lambda: False) -> Repo:
    """Open a project whose lock is waited for without a time limit; `notify` is called once while waiting.

    The lock raises AbreastError while `is_stopped` returns True.
    """
    repo = Repo(root)
    try_lock, reset, config = repo.lock.lock, repo._reset, repo.config
    dvc.lock.DEFAULT_TIMEOUT = LOCK_TIMEOUT

    def lock() -> None:
        started, notified = time.monotonic(), False
        while True:
            try:
                return try_lock()
            except LockError:
                if is_stopped():
                    raise AbreastError(STOPPED) from None
                if not notified and time.monotonic() - started > NOTICE_AFTER:
                    notified = True
                    with suppress(OSError):
                        holder = Path(repo.tmp_dir, "lock").read_text(encoding="utf-8").strip()
                        notify(f"waits for DVC's lock, .dvc/tmp/lock, which process {describe_process(holder)} holds")

    repo.lock.lock = lock
    repo._reset = lambda: (reset(), vars(repo).update(config=config))  # DVC would read the config again, 5 ms a time
    return repo


@contextmanager
def faults() -> Iterator[None]:
    """Raise DVC's errors as AbreastError, in one line."""
    try:
        yield
    except DvcException as error:
        if isinstance(error, LockError):
            blockers(error)  # raises an error that says more
        raise AbreastError(one_line(error)) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise AbreastError(f"{place}{error.strerror or error}; fix this and run again") from None


def one_line(error: Exception) -> str:
    """Describe an error of DVC in one line, with the line of the YAML file, for which DVC prints several lines."""
    message = str(error)
    if isinstance(error, YAMLValidationError):
        first = error.exc.errors[0]
        line, _, _ = determine_linecol(parse_yaml_for_update(error.text, error.path), first.path)
        where = f" in {' -> '.join(map(str, first.path))}" if first.path else ""
        message = f"{message}: {first.error_message}{where}{f', line {line}' if line else ''}"
    elif isinstance(error, YAMLSyntaxError):
        mark = getattr(error.exc.__cause__, "problem_mark", None)
        place = f", line {mark.line + 1}: {getattr(error.exc.__cause__, 'problem', '')}" if mark else ""
        remedy = "; resolve them, or run `git checkout` for the file" if error.hint else ""
        message = f"{message}{place}{error.hint}{remedy}"
    elif error.__cause__ is not None and str(error.__cause__) not in message:
        message = f"{message}: {error.__cause__}"
    return " ".join(message.split())


def find_root() -> Path:
    """Return the root folder of the project around the current folder; AbreastError if there is none."""
    try:
        return Path(Repo.find_root())
    except NotDvcRepoError as error:
        raise AbreastError(one_line(error)) from None


def is_local(item: Any) -> bool:
    """Tell whether an output or a dependency is a local file; a dependency on a database has no files."""
    return item.fs is not None and item.protocol == "local"


def confirm(dvc_stages: Iterable[Any]) -> None:
    """Ask for each stage whether to run it, with DVC's question; AbreastError after a "no"."""
    for stage in dvc_stages:
        if not prompt.confirm(f"Going to reproduce {stage}. Are you sure you want to continue?"):
            raise AbreastError("reproduction aborted by the user")


def pull_run_cache(repo: Repo) -> None:
    """Fetch the run cache from the remote, as `dvc repro --pull` does first."""
    with suppress(RunCacheNotSupported):
        repo.stage_cache.pull(None)


def run_folder(dvc_stage: Any) -> str:
    """Return the folder of the run cache for a stage with its present command and inputs."""
    key = _get_stage_hash(dvc_stage)
    return f"runs/{key[:2]}/{key}"


def newest_run(dvc_stage: Any) -> Any:
    """Return the newest run-cache entry of a stage with its present command and inputs, or None."""
    return dvc_stage.repo.stage_cache._load(dvc_stage)


def stage_of_run(dvc_stage: Any, entry: Any) -> Any:
    """Make a DVC stage with the outputs of a run-cache entry."""
    return dvc_stage.repo.stage_cache._create_stage(entry, wdir=dvc_stage.wdir)
