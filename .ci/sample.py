"""A checkout on the small real sample: every stage of its graph, with the published layers and a few batches each."""

import gzip
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from dvc.repo import Repo
from ruamel.yaml import YAML

IMAGES = Path(__file__).parents[1] / "tests/data"
CODE = ("src/", "stages/")  # all else that a stage depends on is data
PARTS = {"train": "train", "test": "t10k"}  # how the names of their files begin
VALIDATION = 100  # of the sample's 400 labelled images
BATCH = 100  # images at most, so that an epoch has several batches, the last one of another size
EPOCHS = {"train": 3, "finetune": 4}  # a phase: enough to prune, to average, and to lose patience
SEEDS = "seeds/params.yaml"  # lists trainings with other seeds, in groups of stages that differ in their family alone
PATIENCE = 1  # validations, for phases that have any


@dataclass(frozen=True)
class Stage:
    """A stage as DVC resolves it: its name without the file it stands in, its command and folder, needs and outputs.

    code: what it names of it.
    """

    name: str
    command: str
    folder: Path
    needs: frozenset[str]
    outs: tuple[str, ...]
    code: frozenset[str]


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
        with Repo(str(root)) as repo:
            graph = repo.index.graph
            found = [
                Stage(
                    short(stage),
                    stage.cmd if isinstance(stage.cmd, str) else " && ".join(stage.cmd),
                    Path(stage.wdir),
                    frozenset(short(need) for need in graph.successors(stage)),
                    tuple(sorted(str(Path(out.fs_path).relative_to(root)) for out in stage.outs)),
                    code_of(stage),
                )
                for stage in graph
            ]
        self.stages = {stage.name: stage for stage in found}

    def known_as(self, stage: Stage) -> str | None:
        """Find another checkout's stage here, by its name, else by what it writes."""
        same = (name for name, here in self.stages.items() if here.outs == stage.outs)
        return stage.name if stage.name in self.stages else next(same, None)

    def run(self, name: str, scripts: "Scripts") -> str | None:
        """Run a stage; give the last line that it said if it failed."""
        stage = self.stages[name]
        log = self.root / f"{name}.log"
        status = scripts.run(name, stage.folder, log, stage.command)
        if status == 0:
            return None
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return said[-1].strip() if said else f"exit status {status}"

    def run_all(self, work: Callable[[str], None], jobs: int) -> None:
        """Call `work` for each stage after those that it needs, so many at a time."""
        order = TopologicalSorter({stage.name: stage.needs for stage in self.stages.values()})
        order.prepare()
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(jobs) as pool:
            try:
                while order.is_active():
                    running |= {pool.submit(work, name): name for name in order.get_ready()}
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                        order.done(running.pop(future))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
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


class Scripts:
    """Processes that run stages: Python scripts as forks (see `forks.py`), all else through a shell."""

    def __init__(self, processes: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("forks.py"))]
        # Where cores are scarce, threads that spin while they wait for each other take the time of those that work.
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
        self.processes = [subprocess.Popen(command, **pipes) for _ in range(processes)]
        self.free: SimpleQueue[subprocess.Popen] = SimpleQueue()
        for process in self.processes:
            self.free.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()

    def run(self, stage: str, folder: Path, log: Path, command: str) -> int:
        """Run a stage's command in a folder, and give its exit status."""
        words = shlex.split(command)
        if words[0] != "python" or "&&" in words:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            with log.open("wb") as file:
                return subprocess.call(
                    command,
                    shell=True,
                    cwd=folder,
                    env={**os.environ, "PATH": path, "DVC_STAGE": stage},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
        process = self.free.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps([stage, str(folder), str(log), *words[1:]]), file=process.stdin, flush=True)
            return int(process.stdout.readline())
        finally:
            self.free.put(process)


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


def short(stage: Any) -> str:
    """Name a stage without the dvc.yaml that it stands in."""
    return str(stage.addressing).rpartition(":")[2]


def code_of(stage: Any) -> frozenset[str]:
    """List the code that a stage names among what it depends on."""
    return frozenset(dep.def_path for dep in stage.deps if str(dep.def_path).startswith(CODE))


def files_of(place: Path) -> list[Path]:
    """List the files that an output is, or has in it."""
    return sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
