"""Carry through DVC's remote what a stage needs and makes, and what the run cache knows of it.

The run cache has a file for each time that a stage ran: its command and the checksums of what it read and made, in a
folder named by the checksum of all but the last. DVC pushes and pulls all of it at a time; here it is one file.
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
    get_index,
    newest_run,
    run_folder,
    stage_of_run,
    write_whole,
)
from abreast.errors import AbreastError

SECRET = re.compile("password|passphrase|secret|token|key|credential|connection_string|sas")
TRIES = 3
PAUSE = 5  # seconds between two tries to reach the remote
T = TypeVar("T")


class Exchange:
    """One project's place in its default remote."""

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
                f"take it out there and give it to each machine: dvc remote modify --global {name} password"
            )
        try:
            self.odb = repo.cloud.get_remote_odb(name, "repro", hash_name="md5-dos2unix")  # whose path is the remote's
        except DvcException as error:
            raise AbreastError(f"the DVC remote {self.url}: {one_line(error)}") from None
        told = {key: value for key, value in section.items() if not SECRET.search(key)}
        self.settings = {"core": {"remote": name}, "remote": {name: told}}  # for workers
        self.steps = {step.addressing: step for step in repo.index.stages}
        self.outs = {out.fs_path: out for out in repo.index.outs if out.protocol == "local"}
        self.given: set[tuple[str, Any]] = set()  # inputs that the remote has
        self.doubted = False  # the remote lost something
        self.stopping = False
        self.turns = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn at what DVC may not do in two threads; AbreastError once the run is to end."""
        with self.turns:
            self.go_on()
            yield

    def stop(self) -> None:
        """Let nothing more be carried: the run ends."""
        self.stopping = True

    def go_on(self) -> None:
        if self.stopping:
            raise AbreastError("stopped")

    def check(self, *, head: bool) -> None:
        """AbreastError, in one line, where the remote cannot be reached; the head makes a folder that is not there."""
        local = self.odb.fs.protocol == "local"
        if local and head:
            self.keep_trying(lambda: self.odb.fs.makedirs(self.odb.path, exist_ok=True), tries=1)
        if not self.keep_trying(lambda: self.odb.fs.exists(self.odb.path), tries=1) and local:
            raise AbreastError(f"the DVC remote {self.url}: no such folder on this machine")

    def inputs(self, name: str, files: frozenset[str]) -> list[str] | None:
        """List the outputs that a stage reads, from the root, or give None where it can run nowhere but here.

        files: those that workers have. A stage runs here if it reads anything else, if it writes what DVC does not keep
        in its cache, and if DVC would not take its outputs from the run cache.
        """
        step = self.steps[name]
        if not (step.cmd and step.deps and step.outs) or step.frozen or step.always_changed or step.is_import:
            return None
        if any(not out.use_cache or out.persist or not out.is_in_repo for out in step.outs):
            return None
        inputs: set[str] = set()
        for dep in step.deps:
            if dep.protocol != "local" or not dep.is_in_repo or not dep.def_path:
                return None
            outs, others = self.behind(dep.fs_path)
            if not others <= files or not all(out.use_cache and out.is_in_repo for out in outs):
                return None
            inputs |= {self.from_root(out.fs_path) for out in outs}
        return sorted(inputs)

    @functools.cache  # noqa: B019 (stages share what they depend on)
    def behind(self, path: str) -> tuple[list[Any], set[str]]:
        """Give the outputs that are this path, in it or around it, and the other files there.

        Those that DVC ignores count, which a stage may read all the same, but not hidden ones and Python's caches.
        """
        around = [self.outs[str(folder)] for folder in (Path(path), *Path(path).parents) if str(folder) in self.outs]
        if around:
            return around, set()
        within = [out for place, out in self.outs.items() if place.startswith(path + os.sep)]
        if not within and not Path(path).is_dir():
            return [], {self.from_root(path)}
        made = {out.fs_path for out in within}

        def counts(folder: str, name: str) -> bool:
            return name[0] != "." and name != "__pycache__" and f"{folder}/{name}" not in made

        others = set()
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if counts(folder, name)]
            others |= {self.from_root(f"{folder}/{name}") for name in files if counts(folder, name)}
        return within, others

    def from_root(self, path: str) -> str:
        return Path(path).relative_to(self.repo.root_dir).as_posix()

    def give(self, name: str, inputs: list[str]) -> None:
        """Push what a stage reads, where the remote has not got it yet."""
        with self.turn():
            self.steps[name].save_deps()
            hashes = {(dep.def_path, str(dep.hash_info)) for dep in self.steps[name].deps}
            if inputs and not hashes <= self.given:
                self.keep_trying(lambda: self.push(inputs))
            self.given |= hashes

    def push(self, inputs: list[str]) -> None:
        """Push outputs, whole ones: DVC takes a folder of which the remote has the list of files for pushed."""
        self.repo.push(inputs)
        if not self.doubted:
            return
        get_index(self.repo.cloud.get_remote_odb()).clear()  # of what DVC believes to be there
        outs = [out for out in self.repo.index.outs if out.protocol == "local" and out.hash_info.isdir]
        for tree in [out.get_obj() for out in outs if self.from_root(out.fs_path) in inputs]:
            self.repo.cloud.push([each for _, _, each in tree])

    def contents(self, files: Iterable[Path]) -> dict[str, bytes]:
        """Read files of the project, by their path from its root."""
        root = os.path.realpath(self.repo.root_dir)
        places = {os.path.relpath(os.path.realpath(file), root): file for file in files if file.exists()}
        return {place: file.read_bytes() for place, file in places.items() if not place.startswith(os.pardir)}

    def forget(self) -> None:
        """Trust no more that the remote has what it was given, nor that it has the files of folders."""
        with self.turn():
            self.given.clear()
            self.doubted = True

    def unchanged(self, name: str) -> bool:
        """Tell whether a stage need not run after all. To be asked first: the rest notes what a stage reads now."""
        with self.turn(), self.repo.lock:
            return not self.steps[name].changed()

    def take(self, name: str) -> bool:
        """Bring a stage's outputs into DVC's cache, if a run cache knows them, here or in the remote; tell whether."""
        with self.turn():
            step = self.steps[name]
            step.save_deps()
            if not newest_run(step):
                self.keep_trying(lambda: self.fetch_entry(step))
            entry = newest_run(step)
            return bool(entry) and self.keep_trying(lambda: self.fetch_outputs(stage_of_run(step, entry)))

    def fetch_outputs(self, made: Any) -> bool:
        if not made.outs_cached():
            try:
                for hashes in made.get_used_objs().values():
                    self.repo.cloud.pull(hashes)
            except CollectCacheError:  # the remote has lost the list of a folder's files
                return False
        return bool(made.outs_cached())

    def fetch_entry(self, step: Any) -> None:
        folder = run_folder(step)
        remote = self.odb.fs.join(self.odb.path, folder)
        for path in self.odb.fs.find(remote) if self.odb.fs.exists(remote) else []:
            if not self.odb.fs.name(path).startswith("."):
                self.keep(f"{folder}/{self.odb.fs.name(path)}", self.odb.fs.cat_file(path))

    def entry(self, name: str) -> tuple[str, bytes]:
        """Give the newest that the run cache here knows of a stage: path and content."""
        step = self.steps[name]
        step.save_deps()
        newest = max((self.root / run_folder(step)).iterdir(), key=lambda path: path.stat().st_mtime)
        return newest.relative_to(self.root).as_posix(), newest.read_bytes()

    def keep(self, path: str, content: bytes) -> None:
        """Write a file of the run cache."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)

    def send_entry(self, path: str, content: bytes) -> None:
        """Put a file of the run cache into the remote, all of it or nothing. Its outputs are to be there before."""
        fs = self.odb.fs
        target = fs.join(self.odb.path, path)
        part = fs.join(fs.parent(target), f".{fs.name(target)}.{os.getpid()}.part")
        fs.makedirs(fs.parent(target), exist_ok=True)
        fs.pipe_file(part, content)
        fs.mv(part, target)

    @property
    def root(self) -> Path:
        return Path(self.repo.stage_cache.cache_dir).parent

    def keep_trying(self, act: Callable[[], T], tries: int = TRIES) -> T:
        """Do something with the remote, once more where that fails; AbreastError where it keeps failing."""
        while True:
            tries -= 1
            try:
                return act()
            except Exception as error:  # whatever the remote's own library says
                if not tries:
                    raise AbreastError(f"the DVC remote {self.url}: {one_line(error)}") from None
            time.sleep(PAUSE)
            self.go_on()


def one_line(error: Exception) -> str:
    """Give the first cause of an error in a line; DVC's own is often as little as a count."""
    while error.__cause__ is not None:
        error = error.__cause__  # type: ignore[assignment]
    return " ".join(str(error).split()) or type(error).__name__
