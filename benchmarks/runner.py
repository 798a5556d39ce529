"""Measure what a stage costs beside `dvc repro`: trivial stages, both ways in turns, in a project made for it.

Writes benchmarks/runner.json and the table of src/abreast/README.md.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fashion.files import with_section

PAGE = Path(__file__).parents[1] / "src/abreast/README.md"
RESULTS = Path(__file__).with_name("runner.json")
STAGES = 12
ROUNDS = 5
DVC = [sys.executable, "-m", "dvc", "repro", "--quiet"]
ABREAST = [sys.executable, "-m", "abreast", "repro"]
WAYS = {"dvc repro": DVC, "abreast repro -j 1": [*ABREAST, "-j", "1"], "abreast repro -j 2": [*ABREAST, "-j", "2"]}
STAGE = "  {name}: {{cmd: cp in.txt {name}.txt, deps: [in.txt], outs: [{name}.txt]}}\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder) / "project")
        times: dict[str, list[float]] = {name: [] for name in WAYS}
        nothing: dict[str, list[float]] = {name: [] for name in WAYS}
        for number in range(ROUNDS):
            for name, command in WAYS.items():
                copy = shutil.copytree(project, Path(folder) / f"{number}_{command[-1]}_{len(command)}")
                times[name].append(seconds(command, copy))
                nothing[name].append(seconds(command, copy))
                print(f"{name}: {times[name][-1]:.1f} s, with nothing to do {nothing[name][-1]:.1f} s", flush=True)
    medians = {
        name: {"all": statistics.median(all_), "nothing": statistics.median(nothing[name])}
        for name, all_ in times.items()
    }
    RESULTS.write_text(json.dumps(medians, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "runner", table(medians)), encoding="utf-8")


def table(medians: dict[str, dict[str, float]]) -> str:
    """Write the medians of each way, in seconds, as Markdown."""
    text = f"\n| way | {STAGES} stages | a stage | nothing to do |\n| --- | --: | --: | --: |\n"
    for name, seconds in medians.items():
        took, idle = seconds["all"], seconds["nothing"]
        text += f"| `{name}` | {took:.1f} s | {(took - idle) / STAGES:.2f} s | {idle:.1f} s |\n"
    return text + "\n"


def make(folder: Path) -> Path:
    """Make a project of stages that copy a file."""
    folder.mkdir()
    (folder / "in.txt").write_text("in\n", encoding="utf-8")
    stages = "".join(STAGE.format(name=f"s{number}") for number in range(STAGES))
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}", encoding="utf-8")
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def seconds(command: list[str], folder: Path) -> float:
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, capture_output=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
