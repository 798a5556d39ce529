"""Renew the code checksums in dvc.lock after a refactoring, if all stages still write the same bytes.

python -m tools.relock [--base COMMIT] [--jobs N]

All stages of a base commit and of the working tree run on the small sample of tests/data, with the inputs of the base:
all systems with their published layers, a few batches each, in every precision that this machine supports. If a stage
writes the same bytes from both, its command, paths and code checksums are renewed in dvc.lock. Checksums of outputs and
data stay, and neither need be present. A stage with other bytes, settings or data is named and left stale.
The sample is small: an effect that only more images have, such as a limit on their number, is not seen.
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import dumps_yaml, loads_yaml
from tqdm import tqdm

from abreast.check.changes import Comparison
from abreast.check.freshness import check
from abreast.dvc_api import write_whole
from abreast.errors import AbreastError
from abreast.plan.stages import Stage, to_preload
from abreast.run.server import Server
from tools.sample import CODE, Sample, code_of, short_name

# Do not import `fashion` at the top: stages of both commits are forks of this process, and import their own.

ROOT = Path(__file__).parents[1]
MAX_COMMITS = 30  # searched for a fresh lock


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", metavar="COMMIT", help="compare with it (default: the last one whose lock is fresh)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="stages at a time")
    arguments = parser.parse_args()
    # With few cores, threads that spin while they wait slow down those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with Server(to_preload(ROOT)) as server:  # forks this process, so before a project is opened
            return relock(arguments.base, arguments.jobs or 1, server)
    except AbreastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; dvc.lock is as it was", file=sys.stderr)
        return 130


def relock(base: str | None, jobs: int, server: Server) -> int:
    """Renew what can be renewed. Returns the exit status."""
    result = check([], ROOT)
    if not result.changes:
        if result.fresh:
            print("dvc.lock is fresh: nothing to renew")
        else:
            write_locks({})
            print(f"dvc.lock: removed entries of former stages: {', '.join(result.left)}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base = require_fresh(base, Path(folder)) if base else last_fresh_commit(Path(folder))
        print(f"base: {git('log', '-1', '--format=%h %s', base).strip()}", flush=True)
        tree = tree_state()
        on_sample, differences = compare(base, Path(folder), jobs, server)
        if tree_state() != tree:
            raise AbreastError("the working tree changed meanwhile; run it again")
    renewed, stale = renew(base, on_sample, differences)
    for name, reason in stale.items():
        print(f"stale: {name}: {reason}")
    print(f"dvc.lock: {len(renewed)} stages renewed, {len(stale)} left stale")
    return 1 if stale else 0


def git(*arguments: str) -> str:
    process = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if process.returncode != 0:
        raise AbreastError(f"git {arguments[0]}: {process.stderr.strip()}")
    return process.stdout


def last_fresh_commit(folder: Path) -> str:
    """Find the last commit with a fresh lock."""
    for commit in git("rev-list", "--first-parent", f"--max-count={MAX_COMMITS}", "HEAD", "--", ".").split():
        if is_fresh(checkout(commit, folder / commit)):
            return commit
    raise AbreastError(f"none of the last {MAX_COMMITS} commits has a fresh dvc.lock; name one with --base")


def require_fresh(commit: str, folder: Path) -> str:
    """Give the commit back if its lock is fresh; AbreastError if not."""
    if not is_fresh(checkout(commit, folder / "base")):
        raise AbreastError(f"{commit}: its dvc.lock is not fresh; name another --base, or none")
    return commit


def is_fresh(folder: Path) -> bool:
    try:
        return not check([], folder).changes
    except AbreastError:
        return False  # there was no pipeline yet


def checkout(commit: str, folder: Path) -> Path:
    """Write the project's files of a commit into a folder; the project may be a subfolder of its repository."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
    if archive.returncode != 0:
        raise AbreastError(f"{commit}: no such commit")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    return folder


def copy_working_tree(folder: Path) -> Path:
    """Copy the files of `working_tree` into a folder."""
    for name in working_tree():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def working_tree() -> list[str]:
    """List the files that git tracks or would track, as they are now."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return sorted(name for name in names if name and (ROOT / name).is_file())


def tree_state() -> str:
    """Give the names and checksums of the files of `working_tree`."""
    return str([(name, hashlib.md5((ROOT / name).read_bytes()).hexdigest()) for name in working_tree()])


def compare(base: str, folder: Path, jobs: int, server: Server) -> tuple[dict[str, Stage], dict[str, str]]:
    """Run all stages of the base commit and of the working tree on the sample; describe the differences by stage."""
    from fashion.classifier.device import has_bf16, select_device

    device = select_device()
    pairs = [
        (
            Sample(checkout(base, folder / f"before_{precision}"), precision),
            Sample(copy_working_tree(folder / f"after_{precision}"), precision),
        )
        for precision in ("fp32", *(["bf16"] if has_bf16(device) else []))
    ]
    differences: dict[str, str] = {}
    stages = sum(len(tree.stages) for pair in pairs for tree in pair)
    with tqdm(total=stages, unit="stage", mininterval=1) as bar:
        for before, after in pairs:

            def run_before(name: str, before: Sample = before) -> None:
                error = before.run(name, server)
                if error:
                    raise AbreastError(f"the base commit's {name} fails on the sample: {error}")
                bar.update()

            def run_after(name: str, before: Sample = before, after: Sample = after) -> None:
                difference = run_and_compare(name, before, after, server)
                if difference:
                    differences.setdefault(name, difference)
                    if (base_name := before.name_of(after.stages[name])) is not None:
                        after.copy_outputs(base_name, before)  # each stage gets the inputs of the base
                bar.update()

            before.run_all(run_before, jobs, server)
            after.run_all(run_after, jobs, server)
    return pairs[0][1].stages, differences


def run_and_compare(name: str, before: Sample, after: Sample, server: Server) -> str | None:
    """Run a stage of the working tree, and describe its first difference from the base."""
    base_name = before.name_of(after.stages[name])
    if base_name is None:
        return "new"
    error = after.run(name, server)
    if error:
        return f"fails on the sample: {error}"
    expected, outputs = before.outputs(base_name), after.outputs(name)
    new = sorted(outputs.keys() - expected.keys())
    if new:
        return f"writes a new file: {new[0]}"
    changed = [path for path, checksum in outputs.items() if checksum != expected[path]]
    return f"other bytes on the sample: {', '.join(changed)}" if changed else None


def renew(base: str, on_sample: dict[str, Stage], differences: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Renew entries of the locks; give the renewed stages, and the stale ones with the reason."""
    entries = base_entries(base)
    outs = [out for entry in entries.values() for out in entry.get("outs", [])]
    renewed: dict[Path, dict[str, Any]] = {}
    stale = {}
    with Repo(str(ROOT)) as repo, repo.lock:
        comparison = Comparison(repo)
        for stage in [stage for stage in repo.index.stages if comparison.changes(stage)]:
            name, lock = short_name(stage.addressing), Path(stage.path).with_suffix(".lock")
            paths = tuple(sorted(out.def_path for out in stage.outs))
            entry = entries.get(name) or next((old for old in entries.values() if outs_of(old) == paths), None)
            reason = fill_from_entry(stage, entry, outs) if entry else "new"
            if not reason:
                same_code = sample_stages_for(stage, on_sample)
                found = (differences[other] for other in same_code if other in differences)
                reason = next(found, None) if same_code else "no stage with the same code ran on the sample"
            if reason:
                stale[name] = reason
            else:
                renewed.setdefault(lock, {})[name] = to_single_stage_lockfile(stage)
    write_locks(renewed)
    return sorted(name for new in renewed.values() for name in new), stale


def write_locks(renewed: dict[Path, dict[str, Any]]) -> None:
    """Write new entries into the locks, and remove entries that belong to no stage."""
    with Repo(str(ROOT)) as repo, repo.lock:
        known: dict[Path, set[str]] = {}
        for stage in repo.index.stages:
            known.setdefault(Path(stage.path).with_suffix(".lock"), set()).add(short_name(stage.addressing))
        for lock, names in known.items():
            content: dict[str, Any] = loads_yaml(lock.read_text(encoding="utf-8"), typ="rt") if lock.exists() else {}
            content = {"schema": "2.0", "stages": {}} | content
            kept = {name: entry for name, entry in content["stages"].items() if name in names}
            new = renewed.get(lock, {})
            if new or len(kept) < len(content["stages"]):
                write_whole(lock, dumps_yaml({**content, "stages": {**kept, **new}}).encode())


def sample_stages_for(stage: Any, on_sample: dict[str, Stage]) -> list[str]:
    """List the stages of the sample that stand for this one: itself, or those of its group with the same code."""
    name, group = short_name(stage.addressing), short_name(stage.addressing).partition("@")[0]
    if name in on_sample:
        return [name]
    code = code_of(dep.def_path for dep in stage.deps)
    same_group = [other for other in on_sample.values() if other.name.startswith(f"{group}@")]
    return [other.name for other in same_group if code_of(other.deps) == code]


def outs_of(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(out["path"] for out in entry.get("outs", [])))


def base_entries(base: str) -> dict[str, Any]:
    """Read the lock entries of all stages of the base commit."""
    names = [name for name in git("ls-tree", "-r", "--name-only", base).split("\n") if Path(name).name == "dvc.lock"]
    entries: dict[str, Any] = {}
    for name in names:
        entries |= loads_yaml(git("show", f"{base}:./{name}")).get("stages", {})
    return entries


def fill_from_entry(stage: Any, entry: dict[str, Any], outs: list[dict[str, Any]]) -> str | None:
    """Give a stage the checksums of a lock entry, and those of its code as it is now; say what else differs.

    outs: of all stages in the locks. A new dependency on one of them takes its checksum.
    """
    StageLoader.fill_from_lock(stage, {**entry, "deps": [*outs, *entry.get("deps", [])]})
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            changed = [key for keys in dep.status().values() for key in keys]
            if changed:
                return f"other settings: {', '.join(changed)}"
        elif dep.def_path.startswith(CODE):
            dep.save()
        elif not dep.hash_info:
            return f"other data: {dep.def_path}"
        elif dep.exists and dep.status():
            return f"other data in {dep.def_path}"
    unknown = [out.def_path for out in stage.outs if not out.hash_info]
    return f"writes another file: {unknown[0]}" if unknown else None


if __name__ == "__main__":
    sys.exit(main())
