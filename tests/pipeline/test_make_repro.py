"""`make repro`: stages side by side, and what becomes of them when one fails or all are stopped."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from clone import ENVIRONMENT, SYSTEMS, checksums, edit_params, run, train_for_ever
from dvc_project import LOGS, at_work, stages_run, wait_for
from fashion.settings.parsing import load_yaml

VARIANTS = [name for name in SYSTEMS if name != "final"]


def locked(folder: Path) -> set[str]:
    return set(load_yaml(folder / "dvc.lock")["stages"])


def test_eight_at_a_time_lose_no_entry_of_the_lock(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    each = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in VARIANTS}
    shown = {"describe", "show_data", "show_systems", "show_groups", "show_predictions", "report"}
    alone = {"ingest", "split", "augment", "finetune", "evaluate_final", "compare", "predict"}
    assert locked(folder) == alone | shown | each


def test_a_run_with_nothing_to_do_says_so(project: Path) -> None:
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"


def test_a_failing_stage_stops_only_what_needs_it_and_is_reported_with_its_log(project: Path) -> None:
    def change(params: dict) -> None:
        params["variants"]["base_cnn"]["arguments"]["kernels"] = [3, 40]
        params["variants"]["mlp_200"]["phases"]["adam"]["lr"] = 0.002

    edit_params(project, change)
    output = run(project, "abreast", "repro", status=1)
    assert "error: params.yaml: variants.base_cnn: convolution 2: kernel 40" in output
    assert "3 stages done, 1 failed, 6 not run since they need those" in output
    assert "convolution 2: kernel 40" in (project / LOGS / "train@base_cnn.log").read_text()
    run(project, "git", "checkout", "params.yaml")
    output = run(project, "abreast", "repro")
    assert "train@base_cnn" not in output, "its model was kept"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_leaves_no_process_and_no_half_result(project: Path, number: int, status: int) -> None:
    before = checksums(project)
    edit_params(project, train_for_ever)
    command = ["abreast", "repro", "--jobs", "2"]
    pipe = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, cwd=project, env=ENVIRONMENT, **pipe) as process:
        try:
            wait_for(lambda: sum("epoch 3" in log.read_text() for log in (project / LOGS).glob("train@*.log")) == 2)
            os.kill(process.pid, number)
            assert process.wait(40) == status
        finally:
            process.kill()
    wait_for(lambda: not at_work(project))
    run(project, "git", "checkout", "params.yaml")
    assert {path: sum_ for path, sum_ in checksums(project).items() if path in before} == before
    assert stages_run(run(project, "dvc", "repro")) == set()
