"""What becomes of a stage when the DVC that runs it is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clone import ENVIRONMENT, edit_params, make_clone, run, train_for_ever
from dvc_project import at_work, wait_for

# Some shells become the last command that they are given, others wait for it; DVC calls them with -c COMMAND.
SHELLS = {"becomes": '#!/bin/sh\neval "exec $2"\n', "waits": '#!/bin/sh\neval "$2"\nexit $?\n'}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    make_clone(folder)
    edit_params(folder, train_for_ever)
    for stage in ("ingest", "split"):
        run(folder, "python", f"stages/{stage}.py")
    return folder


@contextmanager
def at_training(clone: Path, log: Path, shell: str = "/bin/sh") -> Iterator[subprocess.Popen]:
    """Have DVC train for ever; leave nothing running."""
    command = ["dvc", "repro", "--single-item", "train@mlp_200"]
    how = {"cwd": clone, "env": {**ENVIRONMENT, "SHELL": shell}, "start_new_session": True}
    with log.open("w") as file, subprocess.Popen(command, stderr=file, **how) as dvc:
        try:
            wait_for(lambda: "mlp_200 adam epoch 2" in log.read_text(), 300)
            yield dvc
            wait_for(lambda: not at_work(clone), 120)
        finally:
            for process in at_work(clone):
                os.kill(process, signal.SIGKILL)


INTERRUPTED = "train@mlp_200: interrupted; its outputs are as they were"


@pytest.mark.parametrize(("shell", "processes"), [("becomes", 2), ("waits", 3)])
def test_a_training_ends_by_itself_when_dvc_is_killed(clone: Path, tmp_path: Path, shell: str, processes: int) -> None:
    place, log = tmp_path / "shell", tmp_path / "log"
    place.write_text(SHELLS[shell])
    place.chmod(0o755)
    with at_training(clone, log, str(place)) as dvc:
        assert len(at_work(clone)) == processes
        dvc.kill()
    assert log.read_text().splitlines()[-2:] == ["train@mlp_200: DVC is gone; ending", INTERRUPTED]


def test_a_training_that_is_stopped_with_dvc_tidies_up_undisturbed(clone: Path, tmp_path: Path) -> None:
    """Its own signal comes first; that DVC is gone, it finds out while it puts back outputs."""
    log = tmp_path / "log"
    with at_training(clone, log) as dvc:
        os.killpg(dvc.pid, signal.SIGTERM)
    assert log.read_text().splitlines()[-1] == INTERRUPTED
