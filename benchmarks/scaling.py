"""Measure what workers of a Dask cluster bring `abreast repro`, all of them on this machine.

  overhead    seconds that a stage costs beyond its own, here and on a worker
  speedup     trainings that sleep a tenth of what the real ones took (benchmarks/durations.json), on 1 to 8 workers
  simulation  a thousand variants on a hundred workers, sleeping a twentieth, to see what the head itself needs

Writes benchmarks/scaling.json and the tables of docs/scaling.md.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from fashion.files import with_section
from fashion.results.report.costs import read_costs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scaling.md"
RESULTS = Path(__file__).with_suffix(".json")
WORKERS = (1, 2, 4, 8)
TENTH = 0.1
TWENTIETH = 0.05
STAGES = 12  # of the overhead
ROUNDS = 3
VARIANTS, MANY = 1000, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="overhead, speedup, simulation (default: all)")
    parts: dict[str, Any] = {"overhead": overhead, "speedup": speedup, "simulation": simulation}
    wanted = parser.parse_args().parts or list(parts)
    if unknown := set(wanted) - parts.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for part in wanted:
        results[part] = parts[part]()
        RESULTS.write_text(json.dumps({name: results[name] for name in parts if name in results}, indent=1) + "\n")
        page = PAGE.read_text(encoding="utf-8")
        for name, result in results.items():
            page = with_section(page, name, TABLES[name](result))
        PAGE.write_text(page, encoding="utf-8")


def trainings(*begin: str) -> dict[str, float]:
    """Give the seconds that the real stages took whose names begin so."""
    costs = read_costs(ROOT / "benchmarks/durations.json")
    return {name: cost.seconds for name, cost in costs.items() if name.startswith(begin)}


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, int]]:
    """Start a scheduler and workers of one core each; give its address and its process."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/scheduler.json"
        plain: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        here = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
        scheduler = subprocess.Popen(["dask", "scheduler", "--port", "0", *here], **plain)
        worker = ["dask", "worker", *here, "--nworkers", str(workers), "--nthreads", "1", "--local-directory", folder]
        crew = subprocess.Popen(worker, **plain)
        try:
            from distributed import Client

            with Client(scheduler_file=file, timeout=60) as client:
                client.wait_for_workers(workers, timeout=300)
                address = client.scheduler.address
            yield address, scheduler.pid
        finally:
            for process in (crew, scheduler):
                process.terminate()
                process.wait()


def project(folder: Path, seconds: dict[str, float]) -> Path:
    """Make a project of stages that sleep so long, with a commit and a remote."""
    folder.mkdir()
    stage = "  {name}: {{cmd: sleep {seconds} && cp in.txt {name}.txt, deps: [in.txt], outs: [{name}.txt]}}\n"
    stages = "".join(stage.format(name=name, seconds=slept) for name, slept in seconds.items())
    for name, text in {"dvc.yaml": f"stages:\n{stages}", "in.txt": "in\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    remote = folder.with_name(f"{folder.name}_remote")
    remote.mkdir()
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    for command in (
        ["git", "init", "--quiet"],
        ["dvc", "init", "--quiet"],
        ["dvc", "remote", "add", "--quiet", "--default", "there", str(remote)],
        ["git", "add", "--all"],
        ["git", *author, "commit", "--quiet", "--message", "All"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def timed(folder: Path, *arguments: str) -> float:
    """Run a project; give the seconds that took."""
    command = ["abreast", "repro", *arguments]
    started = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - started


def overhead() -> dict[str, float]:
    """Run stages of a moment in turns, one at a time: here, and on one worker."""
    took: dict[str, list[float]] = {"here": [], "worker": []}
    with tempfile.TemporaryDirectory() as place, cluster(1) as (address, _):
        for number in range(ROUNDS):
            for way, arguments in {"here": [], "worker": ["--scheduler", address]}.items():
                folder = project(Path(place) / f"{way}{number}", {f"s{stage}": 0 for stage in range(STAGES)})
                took[way].append(timed(folder, "-j", "1", *arguments) / STAGES)
                print(f"overhead, {way}: {took[way][-1]:.2f} s a stage", flush=True)
    return {way: round(statistics.median(seconds), 2) for way, seconds in took.items()}


def speedup() -> list[dict[str, Any]]:
    """Run the trainings, asleep, on more and more workers."""
    took = trainings("train@", "finetune")
    slept = {name.replace("@", "_"): round(seconds * TENTH, 2) for name, seconds in took.items()}
    rows = []
    for workers in WORKERS:
        with tempfile.TemporaryDirectory() as place, cluster(workers) as (address, _):
            folder = project(Path(place) / "project", slept)
            durations = folder / ".dvc/tmp/durations.json"
            durations.parent.mkdir(exist_ok=True)
            durations.write_text(json.dumps({name: max(seconds, 10) for name, seconds in slept.items()}))
            seconds = timed(folder, "-j", "1", "--scheduler", address, "--durations", str(durations))
        ideal = max(sum(slept.values()) / workers, *slept.values())
        rows.append({"workers": workers, "seconds": round(seconds, 1), "ideal": round(ideal, 1)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def nap(seconds: dict[str, float], name: str) -> int:
    time.sleep(seconds[name])
    return 0


def simulation() -> dict[str, float]:
    """Have the schedule's own loop hand sleeping tasks to Dask's executor."""
    from functools import partial

    from distributed import Client

    from abreast.run.schedule import CORES, REMOTE_CORES, Schedule, Task, run_all

    draw = random.Random(0)
    like = list(trainings("train@").values())
    seconds = {f"train{number}": draw.choice(like) * TWENTIETH for number in range(VARIANTS)}
    seconds |= {f"evaluate{number}": 5 * TWENTIETH for number in range(VARIANTS)}
    needs = {f"evaluate{number}": frozenset([f"train{number}"]) for number in range(VARIANTS)}
    tasks = {
        name: Task(name, needs.get(name, frozenset()), slept, {REMOTE_CORES: 1}) for name, slept in seconds.items()
    }
    with cluster(MANY) as (address, pid), Client(address) as client:
        work = partial(nap, seconds)
        run_all(
            Schedule({"warm": Task("warm", frozenset(), 0, {REMOTE_CORES: 1})}, {CORES: 1, REMOTE_CORES: 1}),
            client.get_executor(pure=False),
            partial(nap, {"warm": 0.0}),
            lambda *_: None,
        )
        schedule = Schedule(tasks, {CORES: 1, REMOTE_CORES: MANY})
        before, scheduler = time.process_time(), psutil.Process(pid)
        scheduler_before, started = sum(scheduler.cpu_times()[:2]), time.monotonic()
        run_all(schedule, client.get_executor(pure=False), work, lambda *_: None)
        took = time.monotonic() - started
        return {
            "tasks": len(tasks),
            "workers": MANY,
            "seconds": round(took, 1),
            "ideal": round(max(sum(seconds.values()) / MANY, *seconds.values()), 1),
            "head_seconds": round(time.process_time() - before, 1),
            "head_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "scheduler_seconds": round(sum(scheduler.cpu_times()[:2]) - scheduler_before, 1),
            "scheduler_megabytes": round(scheduler.memory_info().rss / 2**20),
        }


def overhead_table(took: dict[str, float]) -> str:
    return f"| a stage here | a stage on a worker |\n| --: | --: |\n| {took['here']:.2f} s | {took['worker']:.2f} s |\n"


def speedup_table(rows: list[dict[str, Any]]) -> str:
    text = "| workers | took | asleep alone | times as fast as one |\n| --: | --: | --: | --: |\n"
    for row in rows:
        took, ideal, faster = row["seconds"], row["ideal"], rows[0]["seconds"] / row["seconds"]
        text += f"| {row['workers']} | {took:.0f} s | {ideal:.0f} s | {faster:.2f} |\n"
    return text


def simulation_table(found: dict[str, float]) -> str:
    text = "| tasks | workers | took | at best | the head | Dask's scheduler |\n| --: | --: | --: | --: | --: | --: |\n"
    text += f"| {found['tasks']:,} | {found['workers']} | {found['seconds']:.0f} s | {found['ideal']:.0f} s |"
    for who in ("head", "scheduler"):
        text += f" {found[f'{who}_seconds']:.0f} s, {found[f'{who}_megabytes']} MB |"
    return f"{text}\n"


TABLES: dict[str, Any] = {"overhead": overhead_table, "speedup": speedup_table, "simulation": simulation_table}


if __name__ == "__main__":
    main()
