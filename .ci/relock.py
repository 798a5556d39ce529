"""Renew what dvc.lock says of code, after a refactoring that changes no result.

Every stage of a base commit and of the working tree runs on the small real sample, on the inputs of the base: all
systems with their published layers, a few batches each, in every precision that this machine has. A stage that writes
the same bytes from both gets the command, paths and checksums of its code renewed in dvc.lock; no checksum of an output
or of data is touched, and none of them need be there. A stage whose bytes, settings or data differ is named and left
stale. The sample is small: what only more images reach, such as a limit on how many are looked at, it does not see.
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
from sample import CODE, Sample, code_of, short
from tqdm import tqdm

from abreast.check.changes import Comparison
from abreast.check.freshness import check
from abreast.dvc_api import write_whole
from abreast.errors import AbreastError
from abreast.plan.stages import Stage, to_preload
from abreast.run.server import Server

# Nothing of `fashion` is imported here: stages of both commits are forks of this process, and each imports its own.

ROOT = Path(__file__).parents[1]
LOOKED_BACK = 30  # commits at most, in search of a fresh lock


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", metavar="COMMIT", help="compare with it (default: the last one whose lock is fresh)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="stages at a time")
    arguments = parser.parse_args()
    # Where cores are scarce, threads that spin while they wait for each other take the time of those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with Server(to_preload(ROOT)) as server:  # a fork of this process: before it opens a project
            return relock(arguments.base, arguments.jobs or 1, server)
    except AbreastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; dvc.lock is as it was", file=sys.stderr)
        return 130


def relock(base: str | None, jobs: int, server: Server) -> int:
    """Renew what can be renewed; give the exit status."""
    found = check([], ROOT)
    if not found.changes:
        if found.fresh:
            print("dvc.lock is fresh: nothing to renew")
        else:
            renew_locks({})
            print(f"dvc.lock: taken out, as no stage any more: {', '.join(found.left)}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base = fresh(base, Path(folder)) if base else last_fresh_commit(Path(folder))
        print(f"base: {git('log', '-1', '--format=%h %s', base).strip()}", flush=True)
        tried = state_of_tree()
        ran, differences = compare(base, Path(folder), jobs, server)
        if state_of_tree() != tried:
            raise AbreastError("the working tree changed meanwhile; run it again")
    renewed, stale = renew(base, ran, differences)
    for name, reason in stale.items():
        print(f"stale: {name}: {reason}")
    print(f"dvc.lock: {len(renewed)} stages renewed, {len(stale)} left stale")
    return 1 if stale else 0


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise AbreastError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def last_fresh_commit(folder: Path) -> str:
    """Search the history for the last commit whose lock is that of its code."""
    for commit in git("rev-list", "--first-parent", f"--max-count={LOOKED_BACK}", "HEAD", "--", ".").split():
        if is_fresh(checkout(commit, folder / commit)):
            return commit
    raise AbreastError(f"none of the last {LOOKED_BACK} commits has a fresh dvc.lock; name one with --base")


def fresh(commit: str, folder: Path) -> str:
    """Give the commit back if its lock is fresh."""
    if not is_fresh(checkout(commit, folder / "base")):
        raise AbreastError(f"{commit}: its dvc.lock is not fresh, so it is no measure; name another --base, or none")
    return commit


def is_fresh(folder: Path) -> bool:
    try:
        return not check([], folder).changes
    except AbreastError:
        return False  # there was no pipeline yet


def checkout(commit: str, folder: Path) -> Path:
    """Put the project's files of a commit into a folder; the project may be a folder of its repository."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
    if archive.returncode != 0:
        raise AbreastError(f"{commit}: no such commit")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    return folder


def copy_of_working_tree(folder: Path) -> Path:
    """Put what git tracks and what it does not ignore, as it is now, into a folder."""
    for name in git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def state_of_tree() -> str:
    """Name the working tree as it is: its files, tracked or not, by their content."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    there = [name for name in names if name and (ROOT / name).is_file()]
    digests = [hashlib.md5((ROOT / name).read_bytes()).hexdigest() for name in there]
    return str(sorted(zip(there, digests, strict=True)))


def compare(base: str, folder: Path, jobs: int, server: Server) -> tuple[dict[str, Stage], dict[str, str]]:
    """Run the sample's stages of both; give those of the working tree, and why one is not the base's, if it is not."""
    from fashion.classifier.device import has_bf16, pick_device

    device = pick_device()
    pairs = [
        (
            Sample(checkout(base, folder / f"before_{precision}"), precision),
            Sample(copy_of_working_tree(folder / f"after_{precision}"), precision),
        )
        for precision in ("fp32", *(["bf16"] if has_bf16(device) else []))
    ]
    differences: dict[str, str] = {}
    stages = sum(len(tree.stages) for pair in pairs for tree in pair)
    with tqdm(total=stages, unit="stage", mininterval=1) as bar:
        for before, after in pairs:

            def run_before(name: str, before: Sample = before) -> None:
                fault = before.run(name, server)
                if fault:
                    raise AbreastError(f"the base commit's {name} fails on the sample: {fault}")
                bar.update()

            def run_after(name: str, before: Sample = before, after: Sample = after) -> None:
                difference = one_difference(name, before, after, server)
                if difference:
                    differences.setdefault(name, difference)
                    if (former := before.known_as(after.stages[name])) is not None:
                        after.take_outputs(former, before)  # so that each stage is judged by itself
                bar.update()

            before.run_all(run_before, jobs, server)
            after.run_all(run_after, jobs, server)
    return pairs[0][1].stages, differences


def one_difference(name: str, before: Sample, after: Sample, server: Server) -> str | None:
    """Run a stage of the working tree, and say what is not as before."""
    former = before.known_as(after.stages[name])
    if former is None:
        return "new"
    fault = after.run(name, server)
    if fault:
        return f"fails on the sample: {fault}"
    there, here = before.outputs(former), after.outputs(name)
    new = sorted(here.keys() - there.keys())
    if new:
        return f"writes a new file: {new[0]}"
    changed = [path for path, checksum in here.items() if checksum != there[path]]
    return f"other bytes on the sample: {', '.join(changed)}" if changed else None


def renew(base: str, ran: dict[str, Stage], differences: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Renew entries of the locks; give the stages renewed, and those left stale with the reason."""
    entries = base_entries(base)
    renewed: dict[Path, dict[str, Any]] = {}
    stale = {}
    with Repo(str(ROOT)) as repo, repo.lock:
        comparison = Comparison(repo)
        for stage in [stage for stage in repo.index.stages if comparison.changes(stage)]:
            name, lock = short(stage.addressing), Path(stage.path).with_suffix(".lock")
            written = tuple(sorted(out.def_path for out in stage.outs))
            entry = entries.get(name) or next((old for old in entries.values() if outs_of(old) == written), None)
            reason = fault_of_entry(stage, entry) if entry else "new"
            judge = judge_of(stage, ran)
            reason = reason or (differences.get(judge) if judge else "none of its kind ran on the sample")
            if reason:
                stale[name] = reason
            else:
                renewed.setdefault(lock, {})[name] = to_single_stage_lockfile(stage)
    renew_locks(renewed)
    return sorted(name for new in renewed.values() for name in new), stale


def renew_locks(renewed: dict[Path, dict[str, Any]]) -> None:
    """Write new entries into locks, and take out those of what is no stage any more."""
    with Repo(str(ROOT)) as repo, repo.lock:
        known: dict[Path, set[str]] = {}
        for stage in repo.index.stages:
            known.setdefault(Path(stage.path).with_suffix(".lock"), set()).add(short(stage.addressing))
        for lock, names in known.items():
            content: dict[str, Any] = loads_yaml(lock.read_text(encoding="utf-8"), typ="rt") if lock.exists() else {}
            content = {"schema": "2.0", "stages": {}} | content
            kept = {name: entry for name, entry in content["stages"].items() if name in names}
            new = renewed.get(lock, {})
            if new or len(kept) < len(content["stages"]):
                write_whole(lock, dumps_yaml({**content, "stages": {**kept, **new}}).encode())


def judge_of(stage: Any, ran: dict[str, Stage]) -> str | None:
    """Find the stage of the sample that tells of this one: itself, or one of its group with the same code."""
    name, group = short(stage.addressing), short(stage.addressing).partition("@")[0]
    code = code_of(dep.def_path for dep in stage.deps)
    same_code = (other.name for other in ran.values() if code_of(other.deps) == code)
    return name if name in ran else next((other for other in same_code if other.partition("@")[0] == group), None)


def outs_of(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(out["path"] for out in entry.get("outs", [])))


def base_entries(base: str) -> dict[str, Any]:
    """Read what the base's locks say of each stage."""
    names = [name for name in git("ls-tree", "-r", "--name-only", base).split("\n") if Path(name).name == "dvc.lock"]
    entries: dict[str, Any] = {}
    for name in names:
        entries |= loads_yaml(git("show", f"{base}:./{name}")).get("stages", {})
    return entries


def fault_of_entry(stage: Any, entry: dict[str, Any]) -> str | None:
    """Give a stage an entry's checksums, and those of its code as it is now; say what else is not as in the entry."""
    StageLoader.fill_from_lock(stage, entry)
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
