"""Run one stage after the other in one process as `dvc repro` does; replaces some functions of DVC in this process."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dvc.dvcfile
import dvc.stage.run
from dvc.exceptions import ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import dumps_yaml
from scmrepo.git import Git
from tqdm import tqdm

from abreast.dvc_api.atomic import write_whole
from abreast.dvc_api.gitignore import add_ignore_line, remove_ignore_line
from abreast.dvc_api.lock_file import lock_entry, read_text, set_entry
from abreast.dvc_api.project import STOPPED, open_repo
from abreast.dvc_api.rwlock import BLOCKER, blockers
from abreast.errors import AbreastError

POLL_INTERVAL = 0.5  # seconds between two tries for files that another process uses
Usage = resource.struct_rusage
ScriptRunner = Callable[[str, dict[str, Any]], tuple[int, Usage] | None]
EntryOrder = Mapping[str, Sequence[str]]  # new entries of each dvc.lock, new lines of each .gitignore, in plan order


@dataclass(frozen=True)
class Definition:
    """A stage's definition, as DVC had resolved it when the run began.

    file: the dvc.yaml or .dvc file, from the project's root. name: of the stage in dvc.yaml. content: its mapping in
    dvc.yaml with templates resolved; None for a .dvc file.
    """

    file: str
    name: str = ""
    content: dict[str, Any] | None = None

    def load(self, repo: Repo, *, ignore_lock: bool = False) -> Any:
        """Make DVC's stage object, with the present entry of dvc.lock unless that is to be ignored."""
        path = Path(repo.root_dir, self.file)
        if self.content is None:
            return repo.stage.load_one(str(path))
        file = dvc.dvcfile.load_file(repo, str(path))
        entry = None if ignore_lock else lock_entry(path.with_suffix(".lock"), self.name)
        stage = StageLoader.load_stage(file, self.name, deepcopy(self.content), entry)
        stage.dvcfile = file
        return stage


@dataclass(frozen=True)
class Options:
    """How DVC reproduces a stage: the flags of `dvc repro` with these names.

    ignore_lock: take the stage from the run cache, whatever dvc.lock says. upstream: the stages that it depends on,
    for `allow_missing`.
    """

    force: bool = False
    pull: bool = False
    allow_missing: bool = False
    no_commit: bool = False
    run_cache: bool = True
    ignore_lock: bool = False
    upstream: tuple[Definition, ...] = ()


class Reproducer:
    """Reproduces one stage after the other, as `dvc repro` does.

    notify: called with a text for the user while a stage waits. run_script: runs a command line as a fork if possible,
    and returns its exit status and resource usage; None if it is not possible.
    """

    def __init__(self, notify: Callable[[str], None], run_script: ScriptRunner | None = None) -> None:
        self.notify, self.run_script = notify, run_script
        self.repo: Repo | None = None
        self.name, self.entry_order = "", cast(EntryOrder, {})  # of the current stage
        self.usage: list[Usage] = []  # of each command of the current stage
        self.stopping = False
        tqdm.monitor_interval = 0  # else a progress bar starts a thread, and a process with threads must not fork
        dvc.dvcfile.modify_yaml = self.modify_yaml
        dvc.dvcfile.dump_yaml = lambda path, data, **_: write_whole(path, dumps_yaml(data).encode())
        dvc.stage.run._run = self.run_command
        setattr(Git, "ignore_remove", remove_ignore_line)  # noqa: B010
        setattr(Git, "_add_entry_to_gitignore", lambda _, pattern, file: self.add_ignore_line(pattern, file))  # noqa: B010

    def open(self, root: str) -> Repo:
        """Open the project in a folder, unless it is open."""
        if self.repo is None or self.repo.root_dir != root:
            self.repo = open_repo(root, self.notify, lambda: self.stopping and not self.usage)
        return self.repo

    def stop(self) -> None:
        """Start no further command; results of finished commands are still saved."""
        self.stopping = True

    def reproduce(self, root: str, definition: Definition, options: Options, entry_order: EntryOrder) -> bool:
        """Reproduce a stage as `dvc repro --single-item` does, and return whether it had changed."""
        repo = self.open(root)
        self.name, self.entry_order = definition.name, entry_order
        while True:
            try:
                with lock_repo(repo), repo.scm_context():
                    return self.reproduce_now(repo, definition, options)
            except LockError as error:  # another DVC process uses files of the stage
                if self.usage or not BLOCKER.search(str(error)):
                    raise
                self.wait_for_files(error)

    def reproduce_now(self, repo: Repo, definition: Definition, options: Options) -> bool:
        stage = definition.load(repo, ignore_lock=options.ignore_lock)
        try:
            reproduced = _reproduce_stage(
                stage,
                upstream=[need.load(repo) for need in options.upstream],
                interactive=False,
                force=options.force,
                pull=options.pull,
                allow_missing=options.allow_missing,
                no_commit=options.no_commit,
                run_cache=options.run_cache,
            )
        except (LockError, AbreastError):
            raise
        except Exception as error:
            raise ReproductionError(f"failed to reproduce '{stage.addressing}'") from error
        return reproduced is not None

    def rehearse(self, root: str, definition: Definition) -> None:
        """Run a stage's commands without DVC's cache and lock; AbreastError if an output is missing afterwards."""
        stage = definition.load(self.open(root))
        for out in stage.outs:  # they may be links into the cache, and writing would change the cache
            if out.persist:
                out.unprotect()
            else:
                out.remove()
        dvc.stage.run.cmd_run(stage)
        for out in stage.outs:
            if not out.exists:
                raise AbreastError(f"{stage.addressing} did not write its output {out}")

    def run_command(self, shell: str, command: str, /, **options: Any) -> None:
        """Run one command of a stage, in place of DVC's function with the same arguments."""
        if self.stopping:
            raise AbreastError(STOPPED)
        result = self.run_script(command, options) if self.run_script else None
        if result is None:
            process = subprocess.Popen(dvc.stage.run._make_cmd(shell, command), **options)
            result = wait_for_exit(process.pid)
            process.returncode = result[0]  # else Popen would wait for it again
        status, usage = result
        self.usage.append(usage)
        if status:
            raise StageCmdFailedError(command, status)

    def wait_for_files(self, error: LockError) -> None:
        """Wait for other processes that use a stage's files, and notify the user; AbreastError if there are none."""
        if self.stopping:
            raise AbreastError(STOPPED)
        users = [f"process {pid} (`{command}`), which uses {file}" for pid, command, file in blockers(error)]
        self.notify(f"waits for {', '.join(users)}; if no such DVC runs, stop this run and delete .dvc/tmp/rwlock")
        time.sleep(POLL_INTERVAL)

    @contextmanager
    def modify_yaml(self, path: str, fs: Any = None) -> Iterator[Any]:  # noqa: ARG002 (DVC names it)
        """Let DVC change the current stage's entry of a lock file, and write the file atomically."""
        text, order = read_text(Path(path)), self.entry_order.get(os.path.realpath(path), [])
        name, entry = self.name, lock_entry(Path(path), self.name)
        data: dict[str, Any] = {"schema": "2.0", "stages": {} if entry is None else {name: entry}} if text else {}
        yield data
        write_whole(path, set_entry(text, name, data["stages"][name], order).encode())

    def add_ignore_line(self, pattern: str, file: str) -> None:
        add_ignore_line(pattern, file, self.entry_order.get(os.path.realpath(file), []))


def wait_for_exit(pid: int) -> tuple[int, Usage]:
    """Wait for a child process; return its exit status and the resource usage of it and its own children."""
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage
