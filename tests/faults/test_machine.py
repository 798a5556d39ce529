"""Test stages on a full disk, with too little memory, and with a wrong clock: errors are one line with the remedy."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from clone import edit_params, make_clone, run

NAMESPACE = ["unshare", "--map-root-user", "--mount", "bash", "-c"]  # any user may mount in it


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    make_clone(folder)
    return folder


def test_a_full_disk_is_an_error_that_names_the_model_file(clone: Path) -> None:
    """On a real disk of 100 KB; test_every_write.py lets single calls fail."""
    if subprocess.run([*NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True).returncode != 0:
        pytest.skip("a disk cannot be mounted without user namespaces")
    for stage in ("ingest", "split"):
        run(clone, "python", "-m", f"stages.data.{stage}")
    (clone / "models").mkdir()
    script = (
        "mount -t tmpfs -o size=100k none models; python -m stages.models.train mlp_200; status=$?; "
        'test -z "$(ls -A models)" && exit $status'  # no file is left
    )
    output = run(clone, *NAMESPACE, script, status=2)
    message = "models/mlp_200.safetensors: cannot be written; make room on its disk, and run again"
    assert output.splitlines()[-1] == f"error: {message}"
    assert "Traceback" not in output


def test_a_network_too_large_for_the_memory_is_refused_in_one_line(clone: Path) -> None:
    for stage in ("ingest", "split"):
        run(clone, "python", "-m", f"stages.data.{stage}")
    hidden = [10_000_000]  # 31 GB of weights
    edit_params(clone, lambda params: params["variants"]["mlp_200"]["arguments"].update(hidden=hidden))
    output = run(clone, "bash", "-c", "ulimit -v 16000000; python -m stages.models.train mlp_200", status=2)
    assert output.splitlines()[-1].startswith("error: out of memory (")
    assert output.splitlines()[-1].endswith("or take a smaller batch_size or network")
    assert "Traceback" not in output


@pytest.mark.parametrize("year", [1990, 2100])
def test_a_wrong_clock_makes_no_stage_stale(project: Path, year: int) -> None:
    modified = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    for folder in ("data", "models", "metrics", "plots", "src", "stages"):
        for path in (project / folder).rglob("*"):
            if path.is_file():
                os.utime(path, (modified, modified))
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"
