"""What the machine lacks is said in a line, with the way out, and leaves no half-written file."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from clone import edit_params, make_clone, run

NAMESPACE = ["unshare", "--map-root-user", "--mount", "bash", "-c"]  # in which anyone may mount


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    make_clone(folder)
    return folder


def with_disk(project: Path, folder: str, options: str, command: str, status: int = 2) -> str:
    """Run a command with a disk of its own under a folder; give what it said, and after it what is in the folder."""
    if subprocess.run([*NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here, as it takes user namespaces")
    (project / folder).mkdir(parents=True, exist_ok=True)
    script = f"mount -t tmpfs -o {options} none {folder}; {command}; status=$?; ls -A {folder}; exit $status"
    return run(project, *NAMESPACE, script, status=status)


def test_a_full_disk_ends_a_stage_in_a_line_and_leaves_nothing_half_written(clone: Path) -> None:
    said = with_disk(clone, "data/ingested", "size=100k", "python stages/ingest.py")
    errors = [line for line in said.splitlines() if line.startswith("error")]
    assert errors == ["error: data/ingested/train_images.npy: cannot be written; make room on its disk, and run again"]
    assert "Traceback" not in said
    assert not [line for line in said.splitlines() if line.endswith((".npy", ".part"))]


def test_a_disk_too_full_for_a_model_says_so(clone: Path) -> None:
    for stage in ("ingest", "split"):
        run(clone, "python", f"stages/{stage}.py")
    said = with_disk(clone, "models", "size=100k", "python stages/train.py mlp_200")
    assert said.endswith("error: models/mlp_200.safetensors: cannot be written; make room on its disk, and run again\n")


def test_a_folder_that_cannot_be_written_to_is_named(clone: Path) -> None:
    said = with_disk(clone, "data/ingested", "ro", "python stages/ingest.py")
    assert said.splitlines()[-1].endswith("take the project to a disk that can be written to, and run again")
    assert "Traceback" not in said


def test_a_network_too_large_for_the_memory_is_refused_in_a_line(clone: Path) -> None:
    for stage in ("ingest", "split"):
        run(clone, "python", f"stages/{stage}.py")
    wide = [10_000_000]  # 31 GB of weights
    edit_params(clone, lambda params: params["variants"]["mlp_200"]["arguments"].update(hidden=wide))
    said = run(clone, "bash", "-c", "ulimit -v 16000000; python stages/train.py mlp_200", status=2)
    assert said.splitlines()[-1].startswith("error: no memory left (")
    assert said.splitlines()[-1].endswith("or take a smaller batch_size or network")
    assert "Traceback" not in said


@pytest.mark.parametrize("year", [1990, 2100])
def test_a_clock_that_is_wrong_makes_nothing_run_again(project: Path, year: int) -> None:
    then = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    for folder in ("data", "models", "metrics", "plots", "src", "stages"):
        for path in (project / folder).rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"
