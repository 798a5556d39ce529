"""Test `make repro` when nothing is stale, when a stage fails, and when it is interrupted or killed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from clone import ENVIRONMENT, checksums, edit_params, run, train_forever
from dvc_project import LOGS, at_work, stages_run, wait_for


def test_a_run_with_no_stale_stage_prints_that_everything_is_up_to_date(project: Path) -> None:
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"


def test_a_failing_stage_stops_only_stages_that_depend_on_it_and_its_log_is_shown(project: Path) -> None:
    def change(params: dict) -> None:
        params["variants"]["base_cnn"]["arguments"]["kernels"] = [3, 40]
        params["variants"]["mlp_200"]["phases"]["adam"]["lr"] = 0.002

    edit_params(project, change)
    output = run(project, "abreast", "repro", status=1)
    assert "error: params.yaml: variants.base_cnn: convolution 2: kernel 40" in output
    assert "3 stages done, 1 failed, 6 not run because they depend on failed ones" in output
    assert "convolution 2: kernel 40" in (project / LOGS / "train@base_cnn.log").read_text()
    run(project, "git", "checkout", "params.yaml")
    output = run(project, "abreast", "repro")
    assert "train@base_cnn" not in output, "its old model is lost"


@pytest.mark.parametrize(("signal_number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_leaves_no_process_and_no_partial_file(project: Path, signal_number: int, status: int) -> None:
    before = checksums(project)
    edit_params(project, train_forever)
    command = ["abreast", "repro", "--jobs", "2"]
    pipe = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, cwd=project, env=ENVIRONMENT, **pipe) as process:
        try:
            wait_for(lambda: sum("epoch 3" in log.read_text() for log in (project / LOGS).glob("train@*.log")) == 2)
            os.kill(process.pid, signal_number)
            assert process.wait(40) == status
        finally:
            process.kill()
    wait_for(lambda: not at_work(project))
    run(project, "git", "checkout", "params.yaml")
    assert {path: checksum for path, checksum in checksums(project).items() if path in before} == before
    assert stages_run(run(project, "dvc", "repro")) == set()
