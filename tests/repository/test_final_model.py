"""Test the trainings of benchmarks/final_model.py: which are reused, and the table and plot of the study."""

import re
from pathlib import Path

import pytest

from benchmarks import final_model

STUDY = [
    {"channels": [64, 256], "epochs": [24, 2], "parameters": 2000, "seconds": 1190, "val_accuracy": 0.955},
    {"channels": [32, 128], "epochs": [6, 1], "parameters": 500, "seconds": 120, "val_accuracy": 0.945},
]


def test_the_study_is_written_as_a_table() -> None:
    assert "| 64 256 | 2,000 | 24 + 2 | 19:50 min | 0.9550 |\n" in final_model.study_table(STUDY)


def test_the_plot_of_the_study_has_all_widths_and_epochs_and_always_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        final_model.plot_study(STUDY, tmp_path / name)
    svg = (tmp_path / "first.svg").read_text()
    assert {"64 256", "32 128", "24 + 2", "6 + 1"} <= set(re.findall(">([^<>]+)</text>", svg))
    assert svg == (tmp_path / "second.svg").read_text()


def test_a_kept_training_is_reused_unless_its_settings_change(
    reproduced: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(final_model, "ROOT", reproduced[0])
    project = tmp_path / "seed_0"
    seconds = final_model.train(project, {})
    model = (project / "models/final.safetensors").read_bytes()
    assert model == (reproduced[0] / "models/final.safetensors").read_bytes()
    assert final_model.train(project, {}) == seconds
    final_model.train(project, {"finetune": {"seed": 1}})
    assert (project / "models/final.safetensors").read_bytes() != model
