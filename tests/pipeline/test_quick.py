"""`make quick`, on the sample."""

import json
from pathlib import Path

import quick
from clone import ROOT, SYSTEMS, edit_params, run
from fashion.files import read_array
from fashion.params import check
from fashion.settings.parsing import load_yaml


def make_quick(project: Path) -> str:
    """Run what a user does, without the installation."""
    return run(project, "make", "--old-file", ".venv/.installed", "quick")


def test_a_first_look_takes_all_systems_and_leaves_the_results_in_git(project: Path) -> None:
    edit_params(project, lambda params: params["split"].update(validation=0.25))
    run(project, "git", "commit", "--quiet", "--all", "--message=Validate on a share")
    script = project / "stages/quick.py"
    script.write_text(script.read_text(encoding="utf-8").replace("IMAGES = 2000", "IMAGES = 50"), encoding="utf-8")
    said = make_quick(project)
    assert "The report: quick/report.html\n" in said
    assert run(project, "git", "status", "--porcelain") == " M stages/quick.py\n"
    assert set(json.loads((project / "quick/metrics/variants.json").read_text())) == set(SYSTEMS)
    assert len(read_array(project / "quick/data/split/train_labels.npy")) == 50
    took = json.loads((project / "quick/benchmarks/durations.json").read_text())
    assert took["train@base"].keys() == took["finetune"].keys() == {"seconds", "cpu", "memory"}, "of this very run"
    assert "processor, min:s" in (project / "quick/report.html").read_text(encoding="utf-8")
    left = {path.name for path in (project / "quick").rglob("*") if path.name in ("dvc.lock", "cache", "checkpoints")}
    assert not left


def test_trainings_are_shortened_and_the_final_model_fits_its_own_batches() -> None:
    settings = load_yaml(ROOT / "params.yaml")
    quick.shorten(settings)
    params = check(settings, source="params.yaml")
    assert params.variants["kernel_5"].batch_size == 64
    assert params.variants["kernel_5"].phases["adam"].max_epochs == 4
    assert params.model.size == "small"
    assert params.model.views == "one"
    assert params.model.batch_size == load_yaml(ROOT / "params.yaml")["model"]["batch_size"]
    assert params.model.at_size("small").phases["main"].max_epochs == 3
