"""A checkout on the small real sample: every stage of its graph, with the published layers and a few batches each."""

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

IMAGES = Path(__file__).parents[1] / "tests/data"
CODE = ("src/", "stages/")  # all else that a stage depends on is data
PARTS = {"train": "train", "test": "t10k"}  # how the names of their files begin
VALIDATION = 100  # of the sample's 400 labelled images
BATCH = 100  # images at most, so that an epoch has several batches, the last one of another size
EPOCHS = {"train": 3, "finetune": 4}  # a phase: enough to prune, to average, and to lose patience
SEEDS = "seeds/params.yaml"  # lists trainings with other seeds, in groups of stages that differ in their family alone
PATIENCE = 1  # validations, for phases that have any
FAILED = "ERROR: failed to run"  # how DVC's own last line begins in the log of a command that failed


class Sample:
    """A checkout in a folder of its own, whose stages run without DVC's cache and lock.

    precision: of all trainings, fp32 or bf16.
    """

    def __init__(self, root: Path, precision: str) -> None:
        self.root = root
        (root / "data/raw").mkdir(parents=True, exist_ok=True)
        for file in IMAGES.glob("*.gz"):
            shutil.copy(file, root / "data/raw")
        yaml = YAML()
        params = yaml.load(root / "params.yaml")
        shrink(params, precision)
        yaml.dump(params, root / "params.yaml")
        if (root / SEEDS).exists():
            runs = yaml.load(root / SEEDS)
            yaml.dump(few(runs), root / SEEDS)
        for lock in ("dvc.lock", "seeds/dvc.lock"):  # of other images, to which stages compare what they read
            (root / lock).unlink(missing_ok=True)
        (root / "metrics/seeds.json").write_text("{}\n", encoding="utf-8")  # a copy that no stage makes
        (root / ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        self.stages = {short(stage.name): in_short(stage) for stage in all_stages(root)}

    def known_as(self, stage: Stage) -> str | None:
        """Find another checkout's stage here, by its name, else by what it writes."""
        same = (name for name, here in self.stages.items() if here.outs == stage.outs)
        return stage.name if stage.name in self.stages else next(same, None)

    def run(self, name: str, server: Server) -> str | None:
        """Run a stage; give the last line of its command if it failed."""
        log = self.root / f"{name}.log"
        result = server.run(Job(name, str(self.root), str(log), self.stages[name].definition, rehearse=True))
        if result.status == 0:
            return None
        lines = [line for line in end_of(log, 2) if not line.startswith(FAILED)]
        return lines[-1] if lines else f"exit status {result.killed or result.status}"

    def run_all(self, work: Callable[[str], None], jobs: int, server: Server) -> None:
        """Call `work` for each stage after those that it needs, so many at a time."""
        tasks = {name: Task(name, stage.needs, seconds=1) for name, stage in self.stages.items()}

        def done(name: str) -> int:
            work(name)
            return 0

        with ThreadPoolExecutor(jobs) as pool:
            try:
                run_all(Schedule(tasks, {"cores": jobs}), pool, done, lambda *_: None)
            except BaseException:
                server.stop()  # its stages, for whose end the pool waits
                raise

    def outputs(self, name: str) -> dict[str, str]:
        """Give what a stage wrote: the checksum of each file, by its path."""
        files = [file for out in self.stages[name].outs for file in files_of(self.root / out)]
        return {str(file.relative_to(self.root)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}

    def take_outputs(self, name: str, other: "Sample") -> None:
        """Put another checkout's outputs of a stage in place of its own."""
        for out in other.stages[name].outs:
            for file in files_of(other.root / out):
                place = self.root / file.relative_to(other.root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


def checksums() -> dict[str, str]:
    """Give what params.yaml says of the sample's files."""
    files = {f"{part}_{what}": f"{start}-{what}-*.gz" for part, start in PARTS.items() for what in ("images", "labels")}
    found = {key: next(IMAGES.glob(pattern)) for key, pattern in files.items()}
    return {key: hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() for key, file in found.items()}


def shrink(params: dict[str, Any], precision: str) -> None:
    """Keep all systems and their layers, for a few batches of the sample's images."""
    params["ingest"].update(sha256=checksums(), mirrors=[])
    params["split"]["validation"] = VALIDATION
    for section, epochs in EPOCHS.items():
        params[section].update(max_epochs=epochs, precision=precision)
    for system in [*params["variants"].values(), params["model"]]:
        system["batch_size"] = min(system["batch_size"], BATCH)
        for phase in system["phases"].values():
            if phase.get("patience"):
                phase["patience"] = PATIENCE


def few(listed: dict[str, Any]) -> dict[str, Any]:
    """Keep one run a family: the others have the same code."""
    kept = dict(listed)
    for group in ("trainings", "finetunings"):
        kept[group] = dict({about.get("family"): (run, about) for run, about in listed[group].items()}.values())
    return kept


def short(name: str) -> str:
    """Name a stage without the dvc.yaml that it stands in."""
    return name.rpartition(":")[2]


def in_short(stage: Stage) -> Stage:
    return replace(stage, name=short(stage.name), needs=frozenset(map(short, stage.needs)))


def code_of(deps: Iterable[str]) -> frozenset[str]:
    """List the code among what a stage depends on."""
    return frozenset(dep for dep in deps if dep.startswith(CODE))


def files_of(place: Path) -> list[Path]:
    """List the files that an output is, or has in it."""
    return sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
