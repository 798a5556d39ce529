"""What docs/experiments.md tells to type, on the sample."""

import json
import re
import time
from pathlib import Path

from clone import ROOT, run
from dvc_project import stages_run

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/experiments.md").read_text(encoding="utf-8"), re.DOTALL)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


def typed(folder: Path, block: str) -> list[str]:
    """Run the lines of a block, in a wide terminal; give what each printed."""
    return [run(folder, "bash", "-c", line, environment={"COLUMNS": "2000"}) for line in block.splitlines()]


def wait_for_the_queue(folder: Path, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while re.search("Queued|Running", said := run(folder, "dvc", "queue", "status")):
        assert time.monotonic() < until, said
        time.sleep(2)


def test_its_commands_run_compare_and_keep_experiments(project: Path) -> None:
    one, several, after, _, keep, draw, pairs = BLOCKS  # test_seeds.py has the one left out
    trained, shown, metrics, params = typed(project, one)
    assert {"finetune", "evaluate_final", "compare", "predict"} <= (ran := stages_run(trained))
    assert not [name for name in ran if "@" in name], "no variant is trained or scored again"
    assert "dropout" in shown
    assert "metrics/final.json" in metrics
    assert re.search(r"model\.dropout\s+0\.0\s+0\.3", params)
    plots = json.loads(run(project, "dvc", "plots", "diff", "--json", "--split"))["data"]
    assert {"Loss", "Accuracy", "Comparison", "Confusion", "ROC"} <= set(plots)
    run(project, "git", "reset", "--quiet", "--hard")
    run(project, "dvc", "checkout", "--quiet")
    assert typed(project, several)[0].count("Queued experiment 'rate-") == 2
    wait_for_the_queue(project)
    status, log, shown = typed(project, after)
    assert status.count("Success") == 2
    assert "train@base" in log
    assert "rate-1" in shown
    assert "rate-2" in shown
    typed(project, keep)
    assert "lr: 0.002" in (project / "params.yaml").read_text(encoding="utf-8")
    assert "slower" in run(project, "git", "branch", "--list", "slower")
    commit(project, "Slower")
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"
    assert typed(project, draw)[1].count("Queued experiment 'random-") == 5
    assert typed(project, pairs)[0].count("Queued experiment") == 3
    assert "Queued" not in run(project, "dvc", "queue", "status")


def test_a_misspelt_key_is_refused_before_anything_runs(project: Path) -> None:
    assert "Key 'dropot' is not in struct" in run(project, "dvc", "exp", "run", "-S", "model.dropot=0.3", status=255)
    said = run(project, "dvc", "exp", "run", "-S", "+model.dropot=0.3", status=255)
    assert "error: params.yaml: model.dropot: unknown key (did you mean dropout?)" in said
    assert "epoch" not in said
