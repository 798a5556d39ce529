"""What a stage reads is what the stage before it wrote, or it does not run."""

from pathlib import Path

import pytest

import intact
from clone import checksums, edit_params, run, stages_run
from rotting import flip_a_bit

IMAGES = "data/augmented/train_images.npy"
SAID = f"error: {IMAGES}: damaged on the disk; set aside in .dvc/tmp/damaged; run again to make it anew\n"


def test_a_stage_refuses_a_damaged_input_and_running_again_mends_it(project: Path) -> None:
    before = checksums(project)
    run(project, "dvc", "status")  # so that it knows the files of this copy
    flip_a_bit(project / IMAGES)
    edit_params(project, lambda params: params["variants"]["base"]["phases"]["adam"].update(lr=0.002))
    refused = run(project, "dvc", "repro", "train@base", status=255)
    assert SAID in refused
    assert "Traceback" not in refused
    assert checksums(project)["models/base.safetensors"] == before["models/base.safetensors"]
    assert "train@base" in stages_run(run(project, "dvc", "repro", "train@base"))
    assert checksums(project)[IMAGES] == before[IMAGES]


def test_a_file_that_was_edited_is_what_dvc_takes_it_for(project: Path) -> None:
    classes = project / "data/ingested/about.json"
    classes.write_text(classes.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    run(project, "dvc", "freeze", "ingest")
    run(project, "dvc", "repro", "--single-item", "predict")


@pytest.mark.parametrize("text", ["", "stages:\n  split:\n    outs:\n    - path: a", "stages: [", "stages: 3"])
def test_a_lock_that_is_no_lock_vouches_for_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(text, encoding="utf-8")
    assert intact.outputs_in(tmp_path / "dvc.lock", but="train@base") == {}


def test_a_file_that_is_read_is_told_from_one_that_is_written() -> None:
    assert intact.reads("rb", 0)
    assert not intact.reads("r+b", 0)
    assert not intact.reads("w", 0)
