"""What of a stage is not as its lock says. Neither data nor a cache need be there."""

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

State = tuple[HashInfo, int | None]  # a checksum and a size, of a file or a folder


@dataclass(frozen=True)
class Change:
    """A thing that is not as the lock says.

    kind: command, dependency, parameter, output or entry. name: its file, FILE:KEY of a parameter. old, new: of a
    command or a parameter. seen: whether `dvc repro` sees it too, and would run the stage.
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
    """A project's stages against its locks."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.outs = {out.fs_path: out for stage in repo.index.stages for out in stage.outs if is_local(out)}
        self.folders: dict[str, list[Any]] = {}
        self.locks: dict[Path, dict[str, Any]] = {}
        self.built: dict[tuple[str, str], tuple[Meta, Any]] = {}  # each file is looked at once
        self.values: dict[tuple[str, str], list[Any]] = {}  # of parameters, none or one, by file and key

    def changes(self, stage: Any) -> list[Change]:
        """Say what of one of DVC's stages changed; a frozen one may have other dependencies than it had."""
        if isinstance(stage, PipelineStage):
            entry = self.entries(Path(stage.path).with_suffix(".lock")).get(stage.name)
            if entry is None:
                lock = Path(stage.path).with_suffix(".lock").relative_to(self.repo.root_dir)
                return [Change("entry", "", f"not in {lock}: it never ran, or what it wrote there was not kept")]
            found = [*changed_command(stage, entry), *dropped(stage, entry)]
        else:
            edited = stage.changed_stage()
            found = [Change("entry", stage.addressing, "edited since it was written")] if edited else []
        for dep in stage.deps:
            if not is_local(dep) or stage.frozen:
                continue
            if isinstance(dep, ParamsDependency):
                found += self.of_parameters(dep)
            elif type(dep) is Dependency:  # another project's or a database's would be asked over the network
                found += self.of_dependency(dep)
        return [*found, *(change for out in stage.outs if is_local(out) for change in self.of_output(out))]

    def entries(self, lock: Path) -> dict[str, Any]:
        if lock not in self.locks:
            self.locks[lock] = lock_entries(lock)
        return self.locks[lock]

    def of_parameters(self, dep: Any) -> Iterator[Change]:
        if not dep.exists:
            if dep.fs_path not in self.outs and not self.kept_elsewhere(dep):
                yield Change("parameter", str(dep), "the file is missing")
        elif dep.hash_info.value is None:
            yield Change("parameter", str(dep), "not in the lock")
        else:
            yield from differences(dep.hash_info.value, self.parameters(dep), f"{dep}:")

    def parameters(self, dep: Any) -> dict[str, Any]:
        """Read a stage's parameters as DVC does, which takes 3 ms a key; many stages depend on the same ones."""
        if not dep.params:
            return dict(dep.read_params())
        new = copy.copy(dep)
        new.params = [key for key in dep.params if (dep.fs_path, key) not in self.values]
        read = new.read_params() if new.params else {}
        self.values |= {(dep.fs_path, key): [read[key]] if key in read else [] for key in new.params}
        return {key: value for key in dep.params for value in self.values[dep.fs_path, key]}

    def of_dependency(self, dep: Any) -> Iterator[Change]:
        writer = self.outs.get(dep.fs_path)
        if not dep.hash_info:
            yield Change("dependency", str(dep), "not in the lock")
        elif writer is not None:
            what = f"not what {writer.stage.addressing} wrote last, as the lock says"
            yield from compared(dep, recorded(writer) if writer.hash_info else None, "dependency", what)
        elif inside := self.inside(dep.fs_path):
            yield from compared(dep, self.folder_of_outputs(dep, inside), "dependency", "changed")
        elif dep.exists:
            yield from compared(dep, self.found(dep), "dependency", "changed")
        elif not self.of_a_folder_written(dep) and not self.kept_elsewhere(dep):
            yield Change("dependency", str(dep), "missing")

    def of_output(self, out: Any) -> Iterator[Change]:
        if not out.hash_info:
            if isinstance(out.stage, PipelineStage):  # a file .dvc without checksum is of data never fetched
                yield Change("output", str(out), "not in the lock")
        elif out.exists:
            what = "not as the stage wrote it: edited by hand, or of another run than the lock"
            yield from compared(out, self.found(out), "output", what)
        elif not out.use_cache and not self.kept_elsewhere(out):
            yield Change("output", str(out), "missing")

    def inside(self, folder: str) -> list[Any]:
        """List the outputs in a folder; many stages depend on the same ones."""
        if folder not in self.folders:
            found = [out for path, out in self.outs.items() if path.startswith(folder + os.sep)]
            self.folders[folder] = found
        return self.folders[folder]

    def found(self, item: Any) -> State:
        """Look at what is there."""
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

    def folder_of_outputs(self, dep: Any, outs: list[Any]) -> State | None:
        """Give a folder's state if its outputs, there or not, were as their locks say; None where these do not tell."""
        tree = Tree()
        if dep.exists:
            for key, (meta, hash_info) in self.build(dep)[1].iteritems():
                tree.add(key, meta, hash_info)
        for out in outs:
            if out.hash_info.isdir and out.exists:
                continue  # its files are those that are there
            if not out.hash_info or out.hash_info.isdir or out.hash_name != dep.hash_name:
                return None
            tree.add(Path(out.fs_path).relative_to(dep.fs_path).parts, out.meta, out.hash_info)
        if not dep.exists and len(tree) < (dep.meta.nfiles or 0):
            return None  # it had files that are no outputs
        tree.digest(name=dep.hash_name)
        sizes = [meta.size for _, meta, _ in tree]
        return tree.hash_info, None if None in sizes else sum(sizes)

    def of_a_folder_written(self, dep: Any) -> bool:
        return any(str(parent) in self.outs for parent in Path(dep.fs_path).parents)

    def kept_elsewhere(self, item: Any) -> bool:
        """Tell what a fresh clone need not have: git ignores it, or it lies outside."""
        scm = self.repo.scm
        if not item.is_in_repo or isinstance(scm, NoSCM):
            return True
        return bool(scm.is_ignored(item.fs_path) or scm.is_ignored(item.fs_path + os.sep))


def recorded(item: Any) -> State:
    return item.hash_info, item.meta.size


def compared(item: Any, state: State | None, kind: str, what: str) -> Iterator[Change]:
    """Compare what the lock says of a dependency or an output with a state, if that is known."""
    (found, size), (locked, locked_size) = state or recorded(item), recorded(item)
    if found.name == locked.name and found.value != locked.value:
        yield Change(kind, str(item), what)
    elif size is not None and locked_size is not None and size != locked_size:
        yield Change(kind, str(item), f"{locked_size} bytes in the lock, and has {size}", seen=False)


def changed_command(stage: Any, entry: dict[str, Any]) -> list[Change]:
    old, new = (one if isinstance(one, str) else "; ".join(one or []) for one in (entry.get("cmd"), stage.cmd))
    return [Change("command", "", f"`{old}` in the lock, now `{new}`", old, new)] if stage.changed_stage() else []


def dropped(stage: Any, entry: dict[str, Any]) -> Iterator[Change]:
    """Name what the lock has and dvc.yaml has no more; DVC does not ask."""
    what = "in the lock, and no more in dvc.yaml"
    for kind, key, items in (("dependency", "deps", stage.deps), ("output", "outs", stage.outs)):
        gone = {row["path"] for row in entry.get(key, [])} - {item.def_path for item in items}
        yield from (Change(kind, path, what, seen=False) for path in sorted(gone))
    params = {dep.def_path: dep.params for dep in stage.params}
    for file, values in entry.get("params", {}).items():
        keys = [key for key in values if file not in params or (params[file] and key not in params[file])]
        yield from (Change("parameter", f"{file}:{key}", what, seen=False) for key in keys)


def differences(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Change]:
    """Find the deepest keys at which two trees of parameters differ."""
    for key in [*old, *(key for key in new if key not in old)]:
        before, after, name = plain(old.get(key)), plain(new.get(key)), f"{place}{key}"
        if key not in old or key not in new:
            yield Change("parameter", name, "new" if key in new else "gone", before, after)
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{name}.")
        elif before != after:
            yield Change("parameter", name, f"{as_json(before)} in the lock, now {as_json(after)}", before, after)


def plain(value: Any) -> Any:
    """Make a tuple of a Python file the list that the lock has."""
    return list(value) if isinstance(value, tuple) else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
