"""A checkout on the small sample of tests/data: all stages of its graph, published layers, a few batches each."""

import gzip
import hashlib
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from abreast.plan.stages import Stage, all_stages
from abreast.run.live import end_of
from abreast.run.schedule import Schedule, Task, run_all
from abreast.run.server import Server
from abreast.run.stage import Job

SAMPLE = Path(__file__).parents[1] / "tests/data"
CODE = ("src/", "stages/")  # all other dependencies of stages are data
FILE_PREFIXES = {"train": "train", "test": "t10k"}
VALIDATION_IMAGES = 100  # of the sample's 400 labelled images
MAX_BATCH_SIZE = 100  # for several batches an epoch, the last one smaller
EPOCHS = {"train": 3, "finetune": 4}  # of each phase: enough for pruning, lookahead and patience
PATIENCE = 1  # validations, for phases with early stopping
SEEDS_LIST = "seeds/params.yaml"
DVC_FAILURE = "ERROR: failed to run"  # starts DVC's own line in the log of a command that failed


class Sample:
    """A checkout in its own folder, with stages that run without DVC's cache and lock.

    precision: of all trainings, fp32 or bf16.
    """

    def __init__(self, root: Path, precision: str) -> None:
        self.root = root
        (root / "data/raw").mkdir(parents=True, exist_ok=True)
        for file in SAMPLE.glob("*.gz"):
            shutil.copy(file, root / "data/raw")
        yaml = YAML()
        params = yaml.load(root / "params.yaml")
        shrink(params, precision)
        yaml.dump(params, root / "params.yaml")
        if (root / SEEDS_LIST).exists():
            listed = yaml.load(root / SEEDS_LIST)
            yaml.dump(one_run_per_family(listed), root / SEEDS_LIST)
        for lock in ("dvc.lock", "seeds/dvc.lock"):  # of the full data
            (root / lock).unlink(missing_ok=True)
        (root / "metrics/seeds.json").write_text("{}\n", encoding="utf-8")  # a copy that no stage writes
        (root / ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        self.stages = {short_name(stage.name): with_short_names(stage) for stage in all_stages(root)}

    def name_of(self, stage: Stage) -> str | None:
        """Find the stage of another checkout in this one, by its name, else by its outputs."""
        if stage.name in self.stages:
            return stage.name
        return next((name for name, own in self.stages.items() if own.outs == stage.outs), None)

    def run(self, name: str, server: Server) -> str | None:
        """Run a stage; give the last line of its command's output if it failed."""
        log = self.root / f"{name}.log"
        result = server.run(Job(name, str(self.root), str(log), self.stages[name].definition, rehearse=True))
        if result.status == 0:
            return None
        lines = [line for line in end_of(log, 2) if not line.startswith(DVC_FAILURE)]
        return lines[-1] if lines else f"exit status {result.killed or result.status}"

    def run_all(self, run_stage: Callable[[str], None], jobs: int, server: Server) -> None:
        """Call `run_stage` for each stage after those that it needs, `jobs` at a time."""
        tasks = {name: Task(name, stage.needs, seconds=1) for name, stage in self.stages.items()}

        def run(name: str) -> int:
            run_stage(name)
            return 0

        with ThreadPoolExecutor(jobs) as pool:
            try:
                run_all(Schedule(tasks, {"cores": jobs}), pool, run, lambda *_: None)
            except BaseException:
                server.stop()  # the pool waits for its stages
                raise

    def outputs(self, name: str) -> dict[str, str]:
        """Give the checksum of each file that a stage wrote, by its path."""
        files = [file for out in self.stages[name].outs for file in files_of(self.root / out)]
        return {str(file.relative_to(self.root)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}

    def copy_outputs(self, name: str, other: "Sample") -> None:
        """Replace the outputs of a stage by those of another checkout."""
        for out in other.stages[name].outs:
            for file in files_of(other.root / out):
                path = self.root / file.relative_to(other.root)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, path)


def checksums() -> dict[str, str]:
    """Give the checksums of the sample's files, as `ingest.sha256` in params.yaml has them."""
    patterns = {
        f"{part}_{kind}": f"{prefix}-{kind}-*.gz"
        for part, prefix in FILE_PREFIXES.items()
        for kind in ("images", "labels")
    }
    files = {key: next(SAMPLE.glob(pattern)) for key, pattern in patterns.items()}
    return {key: hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() for key, file in files.items()}


def shrink(params: dict[str, Any], precision: str) -> None:
    """Keep all systems and their layers, with a few batches of the sample's images."""
    params["ingest"].update(sha256=checksums(), mirrors=[])
    params["split"]["validation"] = VALIDATION_IMAGES
    for section, epochs in EPOCHS.items():
        params[section].update(max_epochs=epochs, precision=precision)
    for system in [*params["variants"].values(), params["model"]]:
        system["batch_size"] = min(system["batch_size"], MAX_BATCH_SIZE)
        for phase in system["phases"].values():
            if phase.get("patience"):
                phase["patience"] = PATIENCE


def one_run_per_family(listed: dict[str, Any]) -> dict[str, Any]:
    """Keep one run with another seed of each family: the others have the same code."""
    result = dict(listed)
    for group in ("trainings", "finetunings"):
        runs = {entry.get("family"): (name, entry) for name, entry in listed[group].items()}
        result[group] = dict(runs.values())
    return result


def short_name(name: str) -> str:
    """Remove the path of dvc.yaml from a stage's name."""
    return name.rpartition(":")[2]


def with_short_names(stage: Stage) -> Stage:
    return replace(stage, name=short_name(stage.name), needs=frozenset(map(short_name, stage.needs)))


def code_of(deps: Iterable[str]) -> frozenset[str]:
    """List the code among the dependencies of a stage."""
    return frozenset(dep for dep in deps if dep.startswith(CODE))


def files_of(path: Path) -> list[Path]:
    """List the files of an output, which is a file or a folder."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
