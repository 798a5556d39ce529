"""Exchange stage inputs, outputs and run-cache entries between head and workers through the DVC remote.

DVC's run cache has a file for each run of a stage, with its command and the checksums of its inputs and outputs, in a
folder named by the checksum of command and inputs. DVC pushes and pulls all of them; this module one at a time.
"""

import functools
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from abreast.dvc_api import (
    CollectCacheError,
    DvcException,
    Repo,
    newest_run,
    run_folder,
    stage_of_run,
    write_whole,
)
from abreast.errors import AbreastError

SECRET = re.compile("password|passphrase|secret|token|key|credential|connection_string|sas")
ATTEMPTS = 3
RETRY_INTERVAL = 5  # seconds
T = TypeVar("T")


class Remote:
    """The default DVC remote of a project."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        name = repo.config["core"].get("remote")
        if not name:
            raise AbreastError("no DVC remote, through which workers get their data: dvc remote add --default NAME URL")
        section = repo.config["remote"].get(name, {})
        self.url = section.get("url", name)
        if urlsplit(self.url).password:
            raise AbreastError(
                f"the DVC remote {name} has a password in its address, which workers would get; "
                f"remove it there, and set it on each machine: dvc remote modify --global {name} password"
            )
        try:
            self.odb = repo.cloud.get_remote_odb(name, "repro", hash_name="md5-dos2unix")  # its path is the remote's
        except DvcException as error:
            raise AbreastError(f"the DVC remote {self.url}: {first_cause(error)}") from None
        public = {key: value for key, value in section.items() if not SECRET.search(key)}
        self.settings = {"core": {"remote": name}, "remote": {name: public}}  # for workers
        self.dvc_stages = {stage.addressing: stage for stage in repo.index.stages}
        self.outs = {out.fs_path: out for out in repo.index.outs if out.protocol == "local"}
        self.pushed: set[tuple[str, Any]] = set()  # inputs that the remote has
        self.stopping = False
        self.lock = threading.Lock()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock for what DVC cannot do in two threads; AbreastError after `stop`."""
        with self.lock:
            self.raise_if_stopping()
            yield

    def stop(self) -> None:
        """Transfer nothing more."""
        self.stopping = True

    def raise_if_stopping(self) -> None:
        if self.stopping:
            raise AbreastError("stopped")

    def check(self, *, head: bool) -> None:
        """Raise AbreastError if the remote cannot be reached; on the head, create a missing local folder."""
        local = self.odb.fs.protocol == "local"
        if local and head:
            self.retry(lambda: self.odb.fs.makedirs(self.odb.path, exist_ok=True), attempts=1)
        if not self.retry(lambda: self.odb.fs.exists(self.odb.path), attempts=1) and local:
            raise AbreastError(f"the DVC remote {self.url}: no such folder on this machine")

    def inputs(self, name: str, files: frozenset[str]) -> list[str] | None:
        """List the outputs that a stage reads, from the root; None if it must run on the head.

        files: those that workers have. A stage runs on the head if it reads any other file, if DVC does not cache all
        its outputs, or if DVC would not restore it from the run cache.
        """
        stage = self.dvc_stages[name]
        if not (stage.cmd and stage.deps and stage.outs) or stage.frozen or stage.always_changed or stage.is_import:
            return None
        if any(not out.use_cache or out.persist or not out.is_in_repo for out in stage.outs):
            return None
        inputs: set[str] = set()
        for dep in stage.deps:
            if dep.protocol != "local" or not dep.is_in_repo or not dep.def_path:
                return None
            outs, other_files = self.contents_of(dep.fs_path)
            if not other_files <= files or not all(out.use_cache and out.is_in_repo for out in outs):
                return None
            inputs |= {self.from_root(out.fs_path) for out in outs}
        return sorted(inputs)

    @functools.cache  # noqa: B019 (stages share dependencies)
    def contents_of(self, path: str) -> tuple[list[Any], set[str]]:
        """Return the outputs that are, contain or are inside of a path, and all other files there.

        Files that DVC ignores are included, since a stage may read them; hidden files and Python's caches are not.
        """
        containing = [
            self.outs[str(folder)] for folder in (Path(path), *Path(path).parents) if str(folder) in self.outs
        ]
        if containing:
            return containing, set()
        inside = [out for out_path, out in self.outs.items() if out_path.startswith(path + os.sep)]
        if not inside and not Path(path).is_dir():
            return [], {self.from_root(path)}
        out_paths = {out.fs_path for out in inside}

        def is_other(folder: str, name: str) -> bool:
            return name[0] != "." and name != "__pycache__" and f"{folder}/{name}" not in out_paths

        others = set()
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if is_other(folder, name)]
            others |= {self.from_root(f"{folder}/{name}") for name in files if is_other(folder, name)}
        return inside, others

    def from_root(self, path: str) -> str:
        return Path(path).relative_to(self.repo.root_dir).as_posix()

    def push_inputs(self, name: str, inputs: list[str]) -> None:
        """Push the inputs of a stage, unless they were pushed in this run."""
        with self.exclusive():
            self.dvc_stages[name].save_deps()
            hashes = {(dep.def_path, str(dep.hash_info)) for dep in self.dvc_stages[name].deps}
            if inputs and not hashes <= self.pushed:
                self.retry(lambda: self.repo.push(inputs))
            self.pushed |= hashes

    def read_files(self, paths: Iterable[Path]) -> dict[str, bytes]:
        """Read files of the project, {path from the root: content}; those elsewhere are skipped."""
        root = os.path.realpath(self.repo.root_dir)
        files = {os.path.relpath(os.path.realpath(path), root): path for path in paths if path.exists()}
        return {name: path.read_bytes() for name, path in files.items() if not name.startswith(os.pardir)}

    def is_unchanged(self, name: str) -> bool:
        """Tell whether a stage need not run. Call it first: `push_inputs` records the present inputs of the stage."""
        with self.exclusive(), self.repo.lock:
            return not self.dvc_stages[name].changed()

    def fetch(self, name: str) -> bool:
        """Fetch a stage's outputs into DVC's cache if the run cache, here or in the remote, has a run; tell whether."""
        with self.exclusive():
            stage = self.dvc_stages[name]
            stage.save_deps()
            if not newest_run(stage):
                self.retry(lambda: self.fetch_entries(stage))
            entry = newest_run(stage)
            return bool(entry) and self.retry(lambda: self.fetch_outputs(stage_of_run(stage, entry)))

    def fetch_outputs(self, dvc_stage: Any) -> bool:
        if not dvc_stage.outs_cached():
            try:
                for hashes in dvc_stage.get_used_objs().values():
                    self.repo.cloud.pull(hashes)
            except CollectCacheError:  # the remote has lost a folder's list of files
                return False
        return bool(dvc_stage.outs_cached())

    def fetch_entries(self, dvc_stage: Any) -> None:
        """Fetch the run-cache entries of a stage."""
        folder = run_folder(dvc_stage)
        remote_folder = self.odb.fs.join(self.odb.path, folder)
        for path in self.odb.fs.find(remote_folder) if self.odb.fs.exists(remote_folder) else []:
            if not self.odb.fs.name(path).startswith("."):
                self.write_entry(f"{folder}/{self.odb.fs.name(path)}", self.odb.fs.cat_file(path))

    def newest_entry(self, name: str) -> tuple[str, bytes]:
        """Return path and content of the newest run-cache entry of a stage on this machine."""
        stage = self.dvc_stages[name]
        stage.save_deps()
        newest = max((self.cache / run_folder(stage)).iterdir(), key=lambda path: path.stat().st_mtime)
        return newest.relative_to(self.cache).as_posix(), newest.read_bytes()

    def write_entry(self, path: str, content: bytes) -> None:
        """Write a run-cache entry on this machine."""
        file = self.cache / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)

    def upload_entry(self, path: str, content: bytes) -> None:
        """Upload a run-cache entry under a temporary name, and rename it. Push its outputs before."""
        fs = self.odb.fs
        target = fs.join(self.odb.path, path)
        temporary = fs.join(fs.parent(target), f".{fs.name(target)}.{os.getpid()}.part")
        fs.makedirs(fs.parent(target), exist_ok=True)
        fs.pipe_file(temporary, content)
        fs.mv(temporary, target)

    @property
    def cache(self) -> Path:
        return Path(self.repo.stage_cache.cache_dir).parent

    def retry(self, function: Callable[[], T], attempts: int = ATTEMPTS) -> T:
        """Call a function that uses the remote, again if it fails; AbreastError after the last attempt."""
        while True:
            attempts -= 1
            try:
                return function()
            except Exception as error:  # the libraries of remotes raise errors of many classes
                if not attempts:
                    raise AbreastError(f"the DVC remote {self.url}: {first_cause(error)}") from None
            time.sleep(RETRY_INTERVAL)
            self.raise_if_stopping()


def first_cause(error: Exception) -> str:
    """Describe the first cause of an error in one line; DVC's own message is often only a count of files."""
    while error.__cause__ is not None:
        error = error.__cause__  # type: ignore[assignment]
    return " ".join(str(error).split()) or type(error).__name__
