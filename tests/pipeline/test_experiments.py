"""Run the commands of docs/experiments.md on the sample."""

import json
import re
import time
from pathlib import Path

import pytest

from clone import ROOT, run
from dvc_project import stages_run

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/experiments.md").read_text(encoding="utf-8"), re.DOTALL)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


def run_block(folder: Path, block: str) -> list[str]:
    """Run each line of a block of commands in a wide terminal; give the output of each line."""
    return [run(folder, "bash", "-c", line, environment={"COLUMNS": "2000"}) for line in block.splitlines()]


def wait_for_queue(folder: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while re.search("Queued|Running", status := run(folder, "dvc", "queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(2)


@pytest.mark.nightly
def test_the_commands_of_the_guide_run_compare_and_keep_experiments(project: Path) -> None:
    one, several, results, _, keep, random_search, random_pairs = BLOCKS  # for the one left out, see test_seeds.py
    output, table, metrics, params = run_block(project, one)
    assert {"finetune", "evaluate_final", "compare", "predict"} <= (stages := stages_run(output))
    assert not [name for name in stages if "@" in name], "a variant is trained or evaluated again"
    assert "dropout" in table
    assert "metrics/systems/final.json" in metrics
    assert re.search(r"model\.dropout\s+0\.0\s+0\.3", params)
    plots = json.loads(run(project, "dvc", "plots", "diff", "--json", "--split"))["data"]
    assert {"Loss", "Accuracy", "Comparison", "Confusion", "ROC"} <= set(plots)
    run(project, "git", "reset", "--quiet", "--hard")
    run(project, "dvc", "checkout", "--quiet")
    assert run_block(project, several)[0].count("Queued experiment 'rate-") == 2
    wait_for_queue(project)
    status, log, table = run_block(project, results)
    assert status.count("Success") == 2
    assert "train@base" in log
    assert "rate-1" in table
    assert "rate-2" in table
    run_block(project, keep)
    assert "lr: 0.002" in (project / "params.yaml").read_text(encoding="utf-8")
    assert "slower" in run(project, "git", "branch", "--list", "slower")
    commit(project, "Slower")
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"
    assert run_block(project, random_search)[1].count("Queued experiment 'random-") == 5
    assert run_block(project, random_pairs)[0].count("Queued experiment") == 3
    assert "Queued" not in run(project, "dvc", "queue", "status")


def test_a_misspelt_key_is_refused_before_anything_runs(project: Path) -> None:
    assert "Key 'dropot' is not in struct" in run(project, "dvc", "exp", "run", "-S", "model.dropot=0.3", status=255)
    output = run(project, "dvc", "exp", "run", "-S", "+model.dropot=0.3", status=255)
    assert "error: params.yaml: model.dropot: unknown key (did you mean dropout?)" in output
    assert "epoch" not in output
