"""Several trainings of the final model: which are kept, and how the study of them looks."""

import re
from pathlib import Path

import pytest

import final_model

STUDY = [
    {"channels": [64, 256], "epochs": [24, 2], "parameters": 2000, "seconds": 1190, "val_accuracy": 0.955},
    {"channels": [32, 128], "epochs": [6, 1], "parameters": 500, "seconds": 120, "val_accuracy": 0.945},
]


def test_the_study_is_a_table() -> None:
    assert "| 64 256 | 2,000 | 24 + 2 | 19:50 min | 0.9550 |\n" in final_model.study_table(STUDY)


def test_the_study_is_a_picture_with_a_line_for_each_width_and_always_the_same(tmp_path: Path) -> None:
    for name in ("once.svg", "again.svg"):
        final_model.draw(STUDY, tmp_path / name)
    picture = (tmp_path / "once.svg").read_text()
    assert {"64 256", "32 128", "24 + 2", "6 + 1"} <= set(re.findall(">([^<>]+)</text>", picture))
    assert picture == (tmp_path / "again.svg").read_text()


def test_a_kept_training_is_done_again_only_when_it_would_come_out_otherwise(
    reproduced: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(final_model, "ROOT", reproduced[0])
    place = tmp_path / "seed_0"
    seconds = final_model.train(place, {})
    model = (place / "models/final.safetensors").read_bytes()
    assert model == (reproduced[0] / "models/final.safetensors").read_bytes()
    assert final_model.train(place, {}) == seconds
    final_model.train(place, {"finetune": {"seed": 1}})
    assert (place / "models/final.safetensors").read_bytes() != model
