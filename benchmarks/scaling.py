"""Measure `abreast repro` on the workers of a Dask cluster; all workers are on this machine.

python -m benchmarks.scaling                        all parts
python -m benchmarks.scaling overhead speedup       these parts; the results of the others are kept

  overhead    seconds that each stage takes beside its own command, on this machine without workers and on a worker
  speedup     stages that sleep a tenth of the durations in benchmarks/durations.json, on 1 to 8 workers
  simulation  2,000 tasks of 1,000 variants on 100 workers, which sleep a twentieth of these durations: what abreast and
              Dask's scheduler need themselves

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
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from fashion.files import with_section
from fashion.results.report.costs import read_costs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scaling.md"
RESULTS = Path(__file__).with_suffix(".json")
OVERHEAD_STAGES, OVERHEAD_ROUNDS = 12, 3
SPEEDUP_WORKERS = (1, 2, 4, 8)
SPEEDUP_FACTOR = 0.1  # of the real durations
SIMULATION_VARIANTS, SIMULATION_WORKERS = 1000, 100
SIMULATION_FACTOR = 0.05  # of the real durations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="overhead, speedup, simulation (default: all)")
    parts: dict[str, Any] = {"overhead": overhead, "speedup": speedup, "simulation": simulation}
    names = parser.parse_args().parts or list(parts)
    if unknown := set(names) - parts.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in names:
        results[name] = parts[name]()
        RESULTS.write_text(json.dumps({part: results[part] for part in parts if part in results}, indent=1) + "\n")
        page = PAGE.read_text(encoding="utf-8")
        for part, result in results.items():
            page = with_section(page, part, TABLES[part](result))
        PAGE.write_text(page, encoding="utf-8")


def real_durations(*prefixes: str) -> dict[str, float]:
    """Give the seconds of the stages whose names start with one of the prefixes, in the run that made the results."""
    costs = read_costs(ROOT / "benchmarks/durations.json")
    return {name: cost.seconds for name, cost in costs.items() if name.startswith(prefixes)}


@contextmanager
def cluster(num_workers: int) -> Iterator[tuple[str, int]]:
    """Start a Dask scheduler and workers with one thread each; give the scheduler's address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/scheduler.json"
        quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        options = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
        scheduler = subprocess.Popen(["dask", "scheduler", "--port", "0", *options], **quiet)
        count = ["--nworkers", str(num_workers), "--nthreads", "1"]
        workers = subprocess.Popen(["dask", "worker", *options, *count, "--local-directory", folder], **quiet)
        try:
            from distributed import Client

            with Client(scheduler_file=file, timeout=60) as client:
                client.wait_for_workers(num_workers, timeout=300)
                address = client.scheduler.address
            yield address, scheduler.pid
        finally:
            for process in (workers, scheduler):
                process.terminate()
                process.wait()


def make_project(folder: Path, durations: dict[str, float]) -> Path:
    """Make a DVC project with a remote, whose stages sleep for these durations, and commit it."""
    folder.mkdir()
    stage = "  {name}: {{cmd: sleep {seconds} && cp in.txt {name}.txt, deps: [in.txt], outs: [{name}.txt]}}\n"
    stages = "".join(stage.format(name=name, seconds=seconds) for name, seconds in durations.items())
    for name, text in {"dvc.yaml": f"stages:\n{stages}", "in.txt": "in\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    remote = folder.with_name(f"{folder.name}_remote")
    remote.mkdir()
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    for command in (
        ["git", "init", "--quiet"],
        ["dvc", "init", "--quiet"],
        ["dvc", "remote", "add", "--quiet", "--default", "store", str(remote)],
        ["git", "add", "--all"],
        ["git", *author, "commit", "--quiet", "--message", "All"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def time_repro(folder: Path, *arguments: str) -> float:
    """Run `abreast repro` in a project; give the seconds that it took."""
    start = time.monotonic()
    subprocess.run(["abreast", "repro", *arguments], cwd=folder, check=True, capture_output=True)
    return time.monotonic() - start


def overhead() -> dict[str, float]:
    """Run stages that take no time, one after another: on this machine, and on one worker, alternately."""
    seconds: dict[str, list[float]] = {"here": [], "worker": []}
    with tempfile.TemporaryDirectory() as folder, cluster(1) as (address, _):
        for number in range(OVERHEAD_ROUNDS):
            for key, arguments in {"here": [], "worker": ["--scheduler", address]}.items():
                project = make_project(
                    Path(folder) / f"{key}{number}", {f"s{stage}": 0 for stage in range(OVERHEAD_STAGES)}
                )
                seconds[key].append(time_repro(project, "-j", "1", *arguments) / OVERHEAD_STAGES)
                print(f"overhead, {key}: {seconds[key][-1]:.2f} s a stage", flush=True)
    return {key: round(statistics.median(values), 2) for key, values in seconds.items()}


def speedup() -> list[dict[str, Any]]:
    """Run stages that sleep as long as trainings, scaled, on more and more workers."""
    durations = {
        name.replace("@", "_"): round(seconds * SPEEDUP_FACTOR, 2)
        for name, seconds in real_durations("train@", "finetune").items()
    }
    rows = []
    for num_workers in SPEEDUP_WORKERS:
        with tempfile.TemporaryDirectory() as folder, cluster(num_workers) as (address, _):
            project = make_project(Path(folder) / "project", durations)
            file = project / ".dvc/tmp/durations.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps({name: max(seconds, 10) for name, seconds in durations.items()}))
            seconds = time_repro(project, "-j", "1", "--scheduler", address, "--durations", str(file))
        ideal = max(sum(durations.values()) / num_workers, *durations.values())
        rows.append({"workers": num_workers, "seconds": round(seconds, 1), "ideal": round(ideal, 1)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def sleep(durations: dict[str, float], name: str) -> int:
    time.sleep(durations[name])
    return 0


def simulation() -> dict[str, float]:
    """Run tasks that only sleep by the loop of `abreast repro` on Dask's executor; measure CPU seconds and memory."""
    from distributed import Client

    from abreast.run.schedule import CORES, REMOTE_CORES, Schedule, Task, run_all

    generator = random.Random(0)
    trainings = list(real_durations("train@").values())
    durations = {
        f"train{number}": generator.choice(trainings) * SIMULATION_FACTOR for number in range(SIMULATION_VARIANTS)
    }
    durations |= {f"evaluate{number}": 5 * SIMULATION_FACTOR for number in range(SIMULATION_VARIANTS)}
    needs = {f"evaluate{number}": frozenset([f"train{number}"]) for number in range(SIMULATION_VARIANTS)}
    tasks = {
        name: Task(name, needs.get(name, frozenset()), seconds, {REMOTE_CORES: 1})
        for name, seconds in durations.items()
    }
    with cluster(SIMULATION_WORKERS) as (address, scheduler_id), Client(address) as client:
        run_all(  # one task first, since the first one takes longer
            Schedule({"warm": Task("warm", frozenset(), 0, {REMOTE_CORES: 1})}, {CORES: 1, REMOTE_CORES: 1}),
            client.get_executor(pure=False),
            partial(sleep, {"warm": 0.0}),
            lambda *_: None,
        )
        schedule = Schedule(tasks, {CORES: 1, REMOTE_CORES: SIMULATION_WORKERS})
        scheduler = psutil.Process(scheduler_id)
        head_start, scheduler_start = time.process_time(), sum(scheduler.cpu_times()[:2])
        start = time.monotonic()
        run_all(schedule, client.get_executor(pure=False), partial(sleep, durations), lambda *_: None)
        seconds = time.monotonic() - start
        return {
            "tasks": len(tasks),
            "workers": SIMULATION_WORKERS,
            "seconds": round(seconds, 1),
            "ideal": round(max(sum(durations.values()) / SIMULATION_WORKERS, *durations.values()), 1),
            "head_seconds": round(time.process_time() - head_start, 1),
            "head_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "scheduler_seconds": round(sum(scheduler.cpu_times()[:2]) - scheduler_start, 1),
            "scheduler_megabytes": round(scheduler.memory_info().rss / 2**20),
        }


def overhead_table(seconds: dict[str, float]) -> str:
    head = "| stage on the head | stage on a worker |\n| --: | --: |\n"
    return f"{head}| {seconds['here']:.2f} s | {seconds['worker']:.2f} s |\n"


def speedup_table(rows: list[dict[str, Any]]) -> str:
    text = "| workers | time | sleep only | speedup |\n| --: | --: | --: | --: |\n"
    for row in rows:
        factor = rows[0]["seconds"] / row["seconds"]
        text += f"| {row['workers']} | {row['seconds']:.0f} s | {row['ideal']:.0f} s | {factor:.2f} |\n"
    return text


def simulation_table(result: dict[str, float]) -> str:
    text = "| tasks | workers | time | ideal | head | Dask's scheduler |\n| --: | --: | --: | --: | --: | --: |\n"
    text += f"| {result['tasks']:,} | {result['workers']} | {result['seconds']:.0f} s | {result['ideal']:.0f} s |"
    for process in ("head", "scheduler"):
        text += f" {result[f'{process}_seconds']:.0f} s, {result[f'{process}_megabytes']} MB |"
    return f"{text}\n"


TABLES: dict[str, Any] = {"overhead": overhead_table, "speedup": speedup_table, "simulation": simulation_table}


if __name__ == "__main__":
    main()
