"""List what changed in one stage since its entry of dvc.lock was written. Needs neither data nor DVC's cache."""

import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.dvc_api import (
    Dependency,
    HashInfo,
    Meta,
    NoSCM,
    ParamsDependency,
    PipelineStage,
    Repo,
    Tree,
    build,
    is_local,
    lock_entries,
)

State = tuple[HashInfo, int | None]  # checksum and size of a file or folder


@dataclass(frozen=True)
class Change:
    """A difference between the project and the lock file.

    kind: command, dependency, parameter, output or entry. name: of the file; FILE:KEY for a parameter. old, new: values
    of a command or parameter. seen: whether `dvc repro` sees the change, too, and would run the stage.
    """

    kind: str
    name: str
    what: str
    old: Any = None
    new: Any = None
    seen: bool = True

    def __str__(self) -> str:
        return " ".join(f"{self.kind} {self.name}".split()) + f": {self.what}"


class Comparison:
    """Compares stages of a project with their lock files.

    >>> [str(change) for change in Comparison(repo).changes(stage)]
    ['dependency train.py: changed']
    """

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.outs = {out.fs_path: out for stage in repo.index.stages for out in stage.outs if is_local(out)}
        # Caches, since many stages depend on the same files:
        self.outs_in_folder: dict[str, list[Any]] = {}
        self.lock_files: dict[Path, dict[str, Any]] = {}
        self.built: dict[tuple[str, str], tuple[Meta, Any]] = {}  # by path and name of the hash
        self.param_values: dict[tuple[str, str], list[Any]] = {}  # by file and key; an empty list if the key is missing

    def changes(self, dvc_stage: Any) -> list[Change]:
        """List the changes of a stage of DVC; for a frozen stage, those of dependencies are left out."""
        if isinstance(dvc_stage, PipelineStage):
            lock = Path(dvc_stage.path).with_suffix(".lock")
            entry = self.entries(lock).get(dvc_stage.name)
            if entry is None:
                name = lock.relative_to(self.repo.root_dir)
                return [Change("entry", "", f"not in {name}: the stage never ran, or its entry was lost")]
            changes = [*command_changes(dvc_stage, entry), *removed_items(dvc_stage, entry)]
        else:
            edited = dvc_stage.changed_stage()
            changes = [Change("entry", dvc_stage.addressing, "edited since it was written")] if edited else []
        for dep in dvc_stage.deps:
            if not is_local(dep) or dvc_stage.frozen:
                continue
            if isinstance(dep, ParamsDependency):
                changes += self.param_changes(dep)
            elif type(dep) is Dependency:  # not of another project or a database, which need the network
                changes += self.dependency_changes(dep)
        return [*changes, *(change for out in dvc_stage.outs if is_local(out) for change in self.output_changes(out))]

    def entries(self, lock: Path) -> dict[str, Any]:
        if lock not in self.lock_files:
            self.lock_files[lock] = lock_entries(lock)
        return self.lock_files[lock]

    def param_changes(self, dep: Any) -> Iterator[Change]:
        if not dep.exists:
            if dep.fs_path not in self.outs and not self.may_be_missing(dep):
                yield Change("parameter", str(dep), "the file is missing")
        elif dep.hash_info.value is None:
            yield Change("parameter", str(dep), "not in the lock")
        else:
            yield from value_changes(dep.hash_info.value, self.read_params(dep), f"{dep}:")

    def read_params(self, dep: Any) -> dict[str, Any]:
        """Read a stage's parameters as DVC does, which takes 3 ms a key."""
        if not dep.params:
            return dict(dep.read_params())
        new = copy.copy(dep)
        new.params = [key for key in dep.params if (dep.fs_path, key) not in self.param_values]
        values = new.read_params() if new.params else {}
        self.param_values |= {(dep.fs_path, key): [values[key]] if key in values else [] for key in new.params}
        return {key: value for key in dep.params for value in self.param_values[dep.fs_path, key]}

    def dependency_changes(self, dep: Any) -> Iterator[Change]:
        output = self.outs.get(dep.fs_path)
        if not dep.hash_info:
            yield Change("dependency", str(dep), "not in the lock")
        elif output is not None:
            what = f"not what {output.stage.addressing} wrote, according to the lock"
            yield from compare(dep, locked_state(output) if output.hash_info else None, "dependency", what)
        elif outs := self.outs_inside(dep.fs_path):
            yield from compare(dep, self.state_with_outputs(dep, outs), "dependency", "changed")
        elif dep.exists:
            yield from compare(dep, self.current_state(dep), "dependency", "changed")
        elif not self.is_inside_output(dep) and not self.may_be_missing(dep):
            yield Change("dependency", str(dep), "missing")

    def output_changes(self, out: Any) -> Iterator[Change]:
        if not out.hash_info:
            if isinstance(out.stage, PipelineStage):  # a .dvc file without checksum: its data was never fetched
                yield Change("output", str(out), "not in the lock")
        elif out.exists:
            what = "not what the stage wrote: edited by hand, or from another run than the lock"
            yield from compare(out, self.current_state(out), "output", what)
        elif not out.use_cache and not self.may_be_missing(out):
            yield Change("output", str(out), "missing")

    def outs_inside(self, folder: str) -> list[Any]:
        """List the outputs in a folder."""
        if folder not in self.outs_in_folder:
            outs = [out for path, out in self.outs.items() if path.startswith(folder + os.sep)]
            self.outs_in_folder[folder] = outs
        return self.outs_in_folder[folder]

    def current_state(self, item: Any) -> State:
        """Compute checksum and size of a file or folder as it is now."""
        meta, built = self.build(item)
        return built.hash_info, meta.size

    def build(self, item: Any) -> tuple[Meta, Any]:
        key = (item.fs_path, item.hash_name)
        if key not in self.built:
            ignore = item.dvcignore
            odb, path, name = item.local_cache, item.fs_path, item.hash_name
            _, meta, built = build(odb, path, item.fs, name, ignore=ignore, dry_run=True)
            self.built[key] = (meta, built)
        return self.built[key]

    def state_with_outputs(self, dep: Any, outs: list[Any]) -> State | None:
        """Compute the state that a folder has with the outputs that lock files name; None if they do not tell."""
        tree = Tree()
        if dep.exists:
            for key, (meta, hash_info) in self.build(dep)[1].iteritems():
                tree.add(key, meta, hash_info)
        for out in outs:
            if out.hash_info.isdir and out.exists:
                continue  # its files are in the tree
            if not out.hash_info or out.hash_info.isdir or out.hash_name != dep.hash_name:
                return None
            tree.add(Path(out.fs_path).relative_to(dep.fs_path).parts, out.meta, out.hash_info)
        if not dep.exists and len(tree) < (dep.meta.nfiles or 0):
            return None  # the folder also had files that are not outputs
        tree.digest(name=dep.hash_name)
        sizes = [meta.size for _, meta, _ in tree]
        return tree.hash_info, None if None in sizes else sum(sizes)

    def is_inside_output(self, dep: Any) -> bool:
        return any(str(parent) in self.outs for parent in Path(dep.fs_path).parents)

    def may_be_missing(self, item: Any) -> bool:
        """Tell whether a fresh clone may lack a file: git ignores it, or it is outside of the repository."""
        scm = self.repo.scm
        if not item.is_in_repo or isinstance(scm, NoSCM):
            return True
        return bool(scm.is_ignored(item.fs_path) or scm.is_ignored(item.fs_path + os.sep))


def locked_state(item: Any) -> State:
    return item.hash_info, item.meta.size


def compare(item: Any, state: State | None, kind: str, what: str) -> Iterator[Change]:
    """Compare the locked state of a dependency or output with another one, unless that is unknown."""
    (found, size), (locked, locked_size) = state or locked_state(item), locked_state(item)
    if found.name == locked.name and found.value != locked.value:
        yield Change(kind, str(item), what)
    elif size is not None and locked_size is not None and size != locked_size:
        yield Change(kind, str(item), f"{locked_size} bytes in the lock, now {size}", seen=False)


def command_changes(dvc_stage: Any, entry: dict[str, Any]) -> list[Change]:
    if not dvc_stage.changed_stage():
        return []
    old, new = (cmd if isinstance(cmd, str) else "; ".join(cmd or []) for cmd in (entry.get("cmd"), dvc_stage.cmd))
    return [Change("command", "", f"`{old}` in the lock, now `{new}`", old, new)]


def removed_items(dvc_stage: Any, entry: dict[str, Any]) -> Iterator[Change]:
    """Name what the lock has and dvc.yaml has no longer; DVC does not see these changes."""
    what = "in the lock, but no longer in dvc.yaml"
    for kind, key, items in (("dependency", "deps", dvc_stage.deps), ("output", "outs", dvc_stage.outs)):
        removed = {row["path"] for row in entry.get(key, [])} - {item.def_path for item in items}
        yield from (Change(kind, path, what, seen=False) for path in sorted(removed))
    params = {dep.def_path: dep.params for dep in dvc_stage.params}
    for file, values in entry.get("params", {}).items():
        keys = [key for key in values if file not in params or (params[file] and key not in params[file])]
        yield from (Change("parameter", f"{file}:{key}", what, seen=False) for key in keys)


def value_changes(old: dict[str, Any], new: dict[str, Any], prefix: str) -> Iterator[Change]:
    """Find the innermost keys at which two trees of parameters differ."""
    for key in [*old, *(key for key in new if key not in old)]:
        before, after, name = without_tuple(old.get(key)), without_tuple(new.get(key)), f"{prefix}{key}"
        if key not in old or key not in new:
            yield Change("parameter", name, "new" if key in new else "removed", before, after)
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from value_changes(before, after, f"{name}.")
        elif before != after:
            yield Change("parameter", name, f"{as_json(before)} in the lock, now {as_json(after)}", before, after)


def without_tuple(value: Any) -> Any:
    """Convert a tuple of a Python file to a list, as in the lock."""
    return list(value) if isinstance(value, tuple) else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
