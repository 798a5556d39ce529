"""What this package takes of DVC: the one module that imports it, and so the only one that knows its private names.

Tried with DVC 3.60 and 3.67; a weekly job of CI runs the tests with the newest one. To import this module takes half a
second: do it where it is needed.
"""
# ruff: noqa: F401 (other modules take some of these names from here)

import json
import logging
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import configobj
import dulwich.ignore
import dulwich.index
import dulwich.worktree
import dvc.cachemgr
import dvc.data_cloud
import dvc.dvcfile
import dvc.lock
import dvc.repo.artifacts
import dvc.repo.datasets
import dvc.repo.metrics
import dvc.repo.params
import dvc.repo.plots
import dvc.repo.stage
import dvc.rwlock
import dvc.stage.run
import dvc_data.hashfile.db.local
import dvc_data.hashfile.status  # like some above, what DVC imports late: once here, not in each fork
import fsspec.implementations.memory
import psutil
import ruamel.yaml
from dvc import prompt
from dvc.cli import main as dvc_command
from dvc.config import Config
from dvc.dependency import Dependency, ParamsDependency
from dvc.dirs import site_cache_dir
from dvc.exceptions import CollectCacheError, DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage, collect_stages, get_active_graph, plan_repro
from dvc.scm import NoSCM, NoSCMError
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotSupported, _get_stage_hash
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import LOADERS, dumps_yaml, loads_yaml, parse_yaml_for_update
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError, determine_linecol
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import get_index
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.state import StateNoop
from dvc_data.hashfile.tree import Tree
from pathspec.patterns import GitWildMatchPattern
from scmrepo.exceptions import FileNotInRepoError
from scmrepo.git import Git
from tqdm import tqdm

from abreast.errors import AbreastError

QUICKLY = 0.03  # seconds in which DVC asks six times for its lock; by itself it waits half a second between two
TELL_AFTER = 2.0  # seconds of waiting for another process after which the user is told
PAUSE = 0.5  # seconds between two looks whether files are free
HOLDER = re.compile(r"\(PID (\d+)\): (.*)")  # in what DVC says of files that are busy
FSYNC = os.environ.get("ABREAST_FSYNC") != "0"  # 0 is for tests
STOPPED = "stopped before its command began"
HEAD = "schema: '2.0'\nstages:\n"  # of a lock
LINES = re.compile(r"(?:  \S.*\n(?:    .*\n|\n)*)*")  # of its entries
EDITED = re.compile(r"^ *#|^    \S+:\n      +- ", re.MULTILINE)  # comments, lists further in
ENTRY = re.compile(r"^  (?=\S)", re.MULTILINE)  # where one begins
Used = resource.struct_rusage
RunScript = Callable[[str, dict[str, Any]], tuple[int, Used] | None]
Orders = Mapping[str, Sequence[str]]  # what this run adds to each lock and .gitignore, in the plan's order


@dataclass(frozen=True)
class Definition:
    """A stage as DVC had resolved it when the run began.

    file: a dvc.yaml or .dvc file, from the project's root. name: in a dvc.yaml. content: what a dvc.yaml says of it,
    with its templates resolved; None for a .dvc file.
    """

    file: str
    name: str = ""
    content: dict[str, Any] | None = None

    def load(self, repo: Repo, *, forget: bool = False) -> Any:
        """Make DVC's stage of it, with what its lock says now, unless that is to be forgotten."""
        path = Path(repo.root_dir, self.file)
        if self.content is None:
            return repo.stage.load_one(str(path))
        file = dvc.dvcfile.load_file(repo, str(path))
        entry = None if forget else lock_entry(path.with_suffix(".lock"), self.name)
        stage = StageLoader.load_stage(file, self.name, deepcopy(self.content), entry)
        stage.dvcfile = file
        return stage


@dataclass(frozen=True)
class Options:
    """How DVC is to reproduce a stage: the flags of `dvc repro` of these names.

    forget: what the lock says of it, so that it comes out of the run cache. upstream: what it needs, for allow_missing.
    """

    force: bool = False
    pull: bool = False
    allow_missing: bool = False
    no_commit: bool = False
    run_cache: bool = True
    forget: bool = False
    upstream: tuple[Definition, ...] = ()


@contextmanager
def project(root: Path | None = None) -> Iterator[Repo]:
    """Open a folder's project, or the one around here, to ask DVC about its stages; AbreastError on a fault."""

    def tell(text: str) -> None:
        print(f"abreast {text}", file=sys.stderr, flush=True)

    load, load_stage = LOADERS[".yaml"], StageLoader.__dict__["load_stage"]

    def load_and_keep(cls: Any, file: Any, name: str, content: dict[str, Any], entry: Any = None) -> Any:
        kept = deepcopy(content)
        stage = load_stage.__func__(cls, file, name, content, entry)
        stage.definition = kept
        return stage

    LOADERS[".yaml"] = cache(load)  # DVC reads params.yaml anew for each stage, 40 ms a time
    StageLoader.load_stage = classmethod(load_and_keep)
    logging.getLogger("dvc").setLevel("CRITICAL")  # its findings are ours to report
    try:
        with faults(), open_patiently(str(root) if root else None, tell) as repo, repo.lock:
            yield repo
    finally:
        LOADERS[".yaml"], StageLoader.load_stage = load, load_stage


@contextmanager
def faults() -> Iterator[None]:
    """Say what DVC finds at fault in one line, as AbreastError."""
    try:
        yield
    except DvcException as error:
        if isinstance(error, LockError):
            holders(error)  # which may say more
        raise AbreastError(explanation(error)) from None
    except sqlite3.Error as error:  # of what DVC notes of files, to know them again
        remedy = f"try again, or delete {site_cache_dir()}, which loses nothing"
        raise AbreastError(f"DVC's notes of files cannot be read ({error}); {remedy}") from None
    except OSError as error:  # such as of a folder that cannot be written
        place = f"{error.filename}: " if error.filename else ""
        raise AbreastError(f"{place}{error.strerror or error}; mend that, and run again") from None


def explanation(error: Exception) -> str:
    """Say an error of DVC in one line, with the place in the file, which DVC shows in a picture of several."""
    message = str(error)
    if isinstance(error, YAMLValidationError):
        first = error.exc.errors[0]
        line, _, _ = determine_linecol(parse_yaml_for_update(error.text, error.path), first.path)
        where = f" in {' -> '.join(map(str, first.path))}" if first.path else ""
        message = f"{message}: {first.error_message}{where}{f', line {line}' if line else ''}"
    elif isinstance(error, YAMLSyntaxError):
        mark = getattr(error.exc.__cause__, "problem_mark", None)
        place = f", line {mark.line + 1}: {getattr(error.exc.__cause__, 'problem', '')}" if mark else ""
        remedy = "; resolve them, or take `git checkout` of the file" if error.hint else ""
        message = f"{message}{place}{error.hint}{remedy}"
    elif error.__cause__ is not None and str(error.__cause__) not in message:
        message = f"{message}: {error.__cause__}"
    return " ".join(message.split())


def is_local(item: Any) -> bool:
    """Tell a file of this machine from one elsewhere, and from a dependency on a database, which has no files."""
    return item.fs is not None and item.protocol == "local"


def find_root() -> Path:
    """Give the root of the project around here; AbreastError if there is none."""
    try:
        return Path(Repo.find_root())
    except NotDvcRepoError as error:
        raise AbreastError(explanation(error)) from None


def pull_run_cache(repo: Repo) -> None:
    """Fetch what the remote knows of former runs, as `dvc repro --pull` does first."""
    with suppress(RunCacheNotSupported):
        repo.stage_cache.pull(None)


def confirm(stages: Iterable[Any]) -> None:
    """Ask of each stage whether it is to run, in DVC's words; AbreastError unless it is."""
    for stage in stages:
        if not prompt.confirm(f"Going to reproduce {stage}. Are you sure you want to continue?"):
            raise AbreastError("reproduction aborted by the user")


def ignore_entries(stages: Iterable[Any]) -> dict[str, list[str]]:
    """List the lines that stages will add to files .gitignore, in their order, by file."""
    entries: dict[str, list[str]] = defaultdict(list)
    for out in [out for stage in stages for out in stage.outs if out.use_scm_ignore]:
        with suppress(FileNotInRepoError, NoSCMError):  # outside of git, there is nothing to ignore
            entry, file = out.repo.scm._get_gitignore(out.fs_path)
            present = Path(file).read_bytes().splitlines() if Path(file).exists() else []
            line = GitWildMatchPattern.escape(entry)
            if line.encode() not in present:
                entries[os.path.realpath(file)].append(line)
    return dict(entries)


def new_lock_entries(stages: Iterable[Any]) -> dict[str, list[str]]:
    """List the names that stages add to locks, in their order, by file."""
    names: dict[str, list[str]] = defaultdict(list)
    known: dict[Path, dict[str, Any]] = {}
    for stage in stages:
        if isinstance(stage, PipelineStage):
            path = Path(stage.path).with_suffix(".lock")
            if path not in known:
                known[path] = lock_entries(path)
            if stage.name not in known[path]:
                names[os.path.realpath(path)].append(stage.name)
    return dict(names)


def lock_entries(path: Path) -> dict[str, Any]:
    """Read the entries of a lock."""
    return entries_of(read_text(path), path)


def lock_entry(path: Path, name: str) -> Any:
    """Read one entry of a lock, or give None."""
    text = read_text(path)
    blocks = lock_blocks(text)
    if blocks is not None:
        text = HEAD + blocks[name] if name in blocks else ""
    return entries_of(text, path).get(name)


def entries_of(text: str, path: Path) -> dict[str, Any]:
    try:
        return (loads_yaml(text) or {}).get("stages") or {}
    except Exception as error:  # whatever the parser says
        raise AbreastError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None


def with_entry(text: str, name: str, entry: Any, order: Sequence[str]) -> str:
    """Put an entry into the text of a lock, and new ones into order, to the byte as DVC does.

    DVC parses and dumps all of it, 0.9 s where a lock has 264 entries; here only what changes.
    """
    blocks, new = lock_blocks(text), lock_blocks(dumps_yaml({"schema": "2.0", "stages": {name: entry}}))
    if blocks is not None and new is not None and "&id0" not in new[name]:  # numbered through the whole file
        blocks |= new
        return HEAD + "".join(blocks[key] for key in in_order([*blocks], order))
    data: Any = parse_yaml_for_update(text, "dvc.lock") if text else {"schema": "2.0"}
    stages = data.get("stages") or {}
    stages[name] = entry
    names = in_order([*stages], order)
    data["stages"] = stages if names == [*stages] else {key: stages[key] for key in names}
    return str(dumps_yaml(data))


def lock_blocks(text: str) -> dict[str, str] | None:
    """Take the text of a lock apart into the lines of each entry, by name; None where it is not as DVC writes it."""
    if not text.startswith(HEAD) or not LINES.fullmatch(text, len(HEAD)) or EDITED.search(text):
        return None
    blocks = [f"  {block}" for block in ENTRY.split(text[len(HEAD) :]) if block]
    heads = [block.partition("\n")[0].strip() for block in blocks]
    if not all(head.endswith(":") and head[0] not in "?#&*!" for head in heads):
        return None
    names = [loads_yaml(head[:-1]) if head[0] in "'\"" else head[:-1] for head in heads]
    return dict(zip(names, blocks, strict=True)) if len({*names}) == len(names) else None


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def in_order(items: Sequence[Any], order: Sequence[Any]) -> list[Any]:
    """Put what `order` names into that order, in the places that it has; all else stays where it is."""
    rank = {name: number for number, name in enumerate(order)}
    known = iter(sorted((item for item in items if item in rank), key=rank.__getitem__))
    return [next(known) if item in rank else item for item in items]


def write_whole(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Replace a file: write a temporary one beside it, fsync it, rename it, and fsync the folder.

    The path has the old content or the new one, also after a loss of power. durable: whether to fsync.
    """
    place = Path(os.path.realpath(path))
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    durable = durable and FSYNC
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            if place.exists():
                shutil.copymode(place, part)
            if durable:
                os.fsync(file.fileno())
        part.replace(place)
        if durable:
            folder = os.open(place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def edit_rwlock(folder: str, fs: Any, hardlink: bool) -> Iterator[dict[str, Any]]:  # noqa: ARG001 (as DVC calls it)
    """Let DVC change its notes of which process reads or writes what, and write them as a whole.

    What a process that was killed left half-written is no note: DVC itself ends there, in every later run.
    """
    path = Path(folder, dvc.rwlock.RWLOCK_FILE)
    guard = str(Path(folder, dvc.rwlock.RWLOCK_LOCK))
    with dvc.lock.make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink):
        try:
            notes = dvc.rwlock.SCHEMA(json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError):
            notes = {}
        notes = {"read": defaultdict(list, notes.get("read", {})), "write": defaultdict(dict, notes.get("write", {}))}
        yield notes
        write_whole(path, json.dumps(notes).encode(), durable=False)  # no process outlives a loss of power


@contextmanager
def rwlock(folder: str, fs: Any, command: str, read: list[str], write: list[str], hardlink: bool) -> Iterator[None]:
    """Have DVC note what this process reads and writes, unless it has: DVC takes ten such notes of one stage."""
    reads, writes = {*read} - READ - WRITTEN, {*write} - WRITTEN
    if not reads and not writes:
        yield
        return
    with noted(folder, fs, command, read, write, hardlink):
        READ.update(reads)
        WRITTEN.update(writes)
        try:
            yield
        finally:
            READ.difference_update(reads)
            WRITTEN.difference_update(writes)


def release_read(notes: dict[str, Any], info: dict[str, Any], paths: list[str]) -> None:
    """Take out that a process reads files; DVC ends there if somebody has deleted the notes meanwhile."""
    for path in paths:
        if others := [other for other in notes["read"].pop(path, []) if other != info]:
            notes["read"][path] = others


def release_write(notes: dict[str, Any], info: dict[str, Any], paths: list[str]) -> None:
    """Take out that a process writes files, in the same way."""
    for path in paths:
        if notes["write"].get(path) == info:
            del notes["write"][path]


READ: set[str] = set()  # by this process, as it is noted
WRITTEN: set[str] = set()
noted, dvc.rwlock.rwlock, dvc.rwlock._edit_rwlock = dvc.rwlock.rwlock, rwlock, edit_rwlock
dvc.rwlock._release_read, dvc.rwlock._release_write = release_read, release_write


def open_patiently(root: str | None, tell: Callable[[str], None], stopped: Callable[[], bool] = lambda: False) -> Repo:
    """Open a project that waits for DVC's lock for as long as it takes, and says so once; AbreastError if `stopped`."""
    repo = Repo(root)
    try_lock, reset, config = repo.lock.lock, repo._reset, repo.config
    dvc.lock.DEFAULT_TIMEOUT = QUICKLY

    def lock() -> None:
        started, told = time.monotonic(), False
        while True:
            try:
                return try_lock()
            except LockError:
                if stopped():
                    raise AbreastError(STOPPED) from None
                if not told and time.monotonic() - started > TELL_AFTER:
                    told = True
                    with suppress(OSError):
                        holder = Path(repo.tmp_dir, "lock").read_text(encoding="utf-8").strip()
                        tell(f"waits for DVC's lock, .dvc/tmp/lock, which process {described(holder)} holds")

    repo.lock.lock = lock
    repo._reset = lambda: (reset(), vars(repo).update(config=config))  # which DVC reads anew each time, 5 ms
    return repo


def run_folder(stage: Any) -> str:
    """Name the folder of the run cache for a stage with these inputs, from the cache's own."""
    key = _get_stage_hash(stage)
    return f"runs/{key[:2]}/{key}"


def newest_run(stage: Any) -> Any:
    """Give what the run cache knows of a stage with these inputs, or None."""
    return stage.repo.stage_cache._load(stage)


def stage_of_run(stage: Any, entry: Any) -> Any:
    """Make a stage of an entry of the run cache, with the outputs that it had."""
    return stage.repo.stage_cache._create_stage(entry, wdir=stage.wdir)


class Process:
    """A process of DVC that reproduces one stage after the other, as `dvc repro` does; it replaces parts of DVC.

    tell: called with what the user is to be told of waiting. run_script: runs a command line as a fork if it may be
    one, and gives its exit status and what it used; None if it may not.
    """

    def __init__(self, tell: Callable[[str], None], run_script: RunScript | None = None) -> None:
        self.tell, self.run_script = tell, run_script
        self.repo: Repo | None = None
        self.name, self.orders = "", cast(Orders, {})  # of the stage at hand, in its lock
        self.used: list[Used] = []  # by the commands of the stage at hand
        self.stopping = False
        tqdm.monitor_interval = 0  # else a progress bar starts a thread, with which this process may not fork
        dvc.dvcfile.modify_yaml = self.modify_yaml
        dvc.dvcfile.dump_yaml = lambda path, data, **_: write_whole(path, dumps_yaml(data).encode())
        dvc.stage.run._run = self.run_command
        setattr(Git, "ignore_remove", remove_from_gitignore)  # noqa: B010
        setattr(Git, "_add_entry_to_gitignore", lambda _, entry, path: self.add_to_gitignore(entry, path))  # noqa: B010

    def open(self, root: str) -> Repo:
        """Open the project in a folder, unless it is open."""
        if self.repo is None or self.repo.root_dir != root:
            self.repo = open_patiently(root, self.tell, lambda: self.stopping and not self.used)
        return self.repo

    def stop(self) -> None:
        """Start no command any more; what one has made is still put on record."""
        self.stopping = True

    def reproduce(self, root: str, definition: Definition, options: Options, orders: Orders) -> bool:
        """Reproduce a stage as `dvc repro --single-item` does; tell whether it had changed. Errors as DVC's."""
        repo = self.open(root)
        self.name, self.orders = definition.name, orders
        while True:
            try:
                with lock_repo(repo), repo.scm_context():
                    return self.reproduce_now(repo, definition, options)
            except LockError as error:  # files of it are in use by another process of DVC
                if self.used or not HOLDER.search(str(error)):
                    raise
                self.wait_for_files(error)

    def reproduce_now(self, repo: Repo, definition: Definition, options: Options) -> bool:
        stage = definition.load(repo, forget=options.forget)
        try:
            done = _reproduce_stage(
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
        return done is not None

    def rehearse(self, root: str, definition: Definition) -> None:
        """Run a stage's commands, with neither cache nor lock. AbreastError where an output was not written."""
        stage = definition.load(self.open(root))
        for out in stage.outs:  # links into the cache, perhaps, which must not be written through
            if out.persist:
                out.unprotect()
            else:
                out.remove()
        dvc.stage.run.cmd_run(stage)
        for out in stage.outs:
            if not out.exists:
                raise AbreastError(f"{out} was not written, which is an output of {stage.addressing}")

    def run_command(self, shell: str, command: str, /, **options: Any) -> None:
        """Run one command of a stage, in place of DVC's own function of the same arguments."""
        if self.stopping:
            raise AbreastError(STOPPED)
        done = self.run_script(command, options) if self.run_script else None
        if done is None:
            process = subprocess.Popen(dvc.stage.run._make_cmd(shell, command), **options)
            done = waited(process.pid)
            process.returncode = done[0]  # else Python would ask for it again
        status, used = done
        self.used.append(used)
        if status:
            raise StageCmdFailedError(command, status)

    def wait_for_files(self, error: LockError) -> None:
        """Wait a moment for other processes that use a stage's files, and say so; AbreastError if there are none."""
        if self.stopping:
            raise AbreastError(STOPPED)
        users = [f"process {number} (`{command}`), which uses {file}" for number, command, file in holders(error)]
        self.tell(f"waits for {', '.join(users)}; if no such DVC runs, stop this run and delete .dvc/tmp/rwlock")
        time.sleep(PAUSE)

    @contextmanager
    def modify_yaml(self, path: str, fs: Any = None) -> Iterator[Any]:  # noqa: ARG002 (DVC names it)
        """Let DVC change a lock, put new entries into the plan's order, and write it as a whole."""
        text, place = read_text(Path(path)), os.path.realpath(path)
        name, entry = self.name, lock_entry(Path(path), self.name)
        data: dict[str, Any] = {"schema": "2.0", "stages": {} if entry is None else {name: entry}} if text else {}
        yield data
        write_whole(path, with_entry(text, name, data["stages"][name], self.orders.get(place, [])).encode())

    def add_to_gitignore(self, entry: str, path: str) -> None:
        """Add a line as DVC does, and put new lines into the plan's order; all else in the file keeps its bytes."""
        content = Path(path).read_bytes() if Path(path).exists() else b""
        content += b"" if content.endswith(b"\n") or not content else b"\n"
        line = f"{GitWildMatchPattern.escape(entry)}\n".encode()
        lines = content.splitlines(keepends=True)
        if line not in lines:
            order = [f"{known}\n".encode() for known in self.orders.get(os.path.realpath(path), [])]
            write_whole(path, b"".join(in_order([*lines, line], order)))


def remove_from_gitignore(scm: Git, path: str) -> str | None:
    """Take a line out, as scmrepo does, which takes every file for UTF-8 with Unix line ends; give the file's path."""
    entry, file = scm._get_gitignore(path)
    lines = Path(file).read_bytes().splitlines(keepends=True) if Path(file).exists() else []
    kept = [line for line in lines if line.strip() != entry.encode()]
    if len(kept) == len(lines):
        return None
    if kept:
        write_whole(file, b"".join(kept))
    else:
        Path(file).unlink()
    return str(file)


def holders(error: LockError) -> list[tuple[int, str, str]]:
    """List the processes that use a stage's files: number, command, file; AbreastError where one is no longer DVC's."""
    found = [(int(number), command, str(error).split("'")[1]) for number, command in HOLDER.findall(str(error))]
    for number, command, file in found:
        if not runs(number, command):
            raise AbreastError(
                f".dvc/tmp/rwlock says that process {number} (`{command}`) uses {file}; that DVC has ended, and its "
                f"number is now that of {described(number)}: delete .dvc/tmp/rwlock while no DVC runs, and run again"
            )
    return found


def runs(process: int, command: str) -> bool:
    """Tell whether a process is still the one that DVC noted with this command line, whose number it may only have."""
    try:
        line = " ".join(psutil.Process(process).cmdline())
    except psutil.Error:
        return psutil.pid_exists(process)
    return all(word in line for word in command.split()[1:])


def described(process: str | int) -> str:
    """Name a process by its number and command line."""
    try:
        return f"{process} (`{' '.join(psutil.Process(int(process)).cmdline())[:80]}`)"
    except (psutil.Error, ValueError):
        return str(process)


def waited(process: int) -> tuple[int, Used]:
    """Wait for a child; give its exit status, and what it and its own children used."""
    _, status, used = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), used
