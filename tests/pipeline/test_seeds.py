"""`make seeds`: trainings with other seeds, on the sample."""

import json
import re
from pathlib import Path

import pytest

from abreast.run import history
from clone import ROOT, edit_params, run
from fashion.settings.parsing import load_yaml


def make_seeds(project: Path, number: int, systems: str, status: int = 0) -> str:
    """Run what a user does, without the installation."""
    command = ["make", "--old-file", ".venv/.installed", "seeds", f"N={number}", f"SYSTEMS={systems}"]
    return run(project, *command, status=status)


def spread(project: Path) -> dict:
    return json.loads((project / "metrics/seeds.json").read_text(encoding="utf-8"))


def trained(project: Path, output: str) -> set[str]:
    """Name the trainings that took place, and did not come out of DVC's cache."""
    done = re.findall(r"^(seeds/dvc.yaml:(?:train|finetune)_again@\S+): done", output, re.MULTILINE)
    outcomes = {record.stage: record.outcome for record in history.read(project)}  # the last one of each stage
    return {name.partition(":")[2] for name in done if outcomes[name] == "done"}


def test_the_guide_says_what_is_tested_here() -> None:
    guide = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    assert 'make seeds N=3 SYSTEMS="base base_cnn"\n' in guide


def test_trainings_with_other_seeds_are_made_once_and_compared(project: Path) -> None:
    said = make_seeds(project, 3, "base base_cnn")
    each = {f"train_again@{name}-{seed}" for name in ("base", "base_cnn") for seed in (1, 2)}
    assert trained(project, said) == each
    found, main = spread(project), json.loads((project / "metrics/variants.json").read_text())
    assert list(found) == ["base", "base_cnn"]
    for name, row in found.items():
        assert row["runs"]["0"] == {key: main[name][key] for key in ("val_accuracy", "test_accuracy")}
        assert len({tuple(scores.values()) for scores in row["runs"].values()}) > 1, "another seed is another training"
    assert "What hangs on the seed" in (project / "report.html").read_text(encoding="utf-8")
    assert "Everything is up to date" in run(project, "abreast", "repro", "dvc.yaml", "seeds/dvc.yaml")

    assert trained(project, make_seeds(project, 2, "base_cnn")) == set()
    assert [len(row["runs"]) for row in spread(project).values()] == [3, 2], "what is not named stays"
    assert run(project, "abreast", "check").startswith("Fresh: "), "no entry of a former run is left"
    assert trained(project, make_seeds(project, 3, "base_cnn")) == set()
    assert spread(project) == found

    assert trained(project, make_seeds(project, 2, "final")) == {"finetune_again@final-1"}
    assert spread(project)["final"]["against_baseline"]["p_value"] <= 1
    make_seeds(project, 1, "")
    assert spread(project) == {}
    assert "What hangs on the seed" not in (project / "report.html").read_text(encoding="utf-8")


def test_the_main_training_is_one_of_them_whatever_its_seed(project: Path) -> None:
    edit_params(project, lambda params: params["train"].update(seed=1))
    run(project, "python", "stages/seeds.py", "3", "base_cnn")
    assert list(load_yaml(project / "seeds/params.yaml")["trainings"]) == ["base_cnn-0", "base_cnn-2"]


def test_the_main_graph_trains_with_no_other_seed(project: Path) -> None:
    run(project, "python", "stages/seeds.py", "3", "")
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"


@pytest.mark.parametrize(
    ("number", "systems", "fault"),
    [
        ("3", "bas_cnn", "error: SYSTEMS: there is no system 'bas_cnn' (did you mean base_cnn?); choose from"),
        ("0", "", "error: N: '0' is no number of trainings; take 3, or more"),
        ("many", "", "error: N: 'many' is no number of trainings; take 3, or more"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(project: Path, number: str, systems: str, fault: str) -> None:
    before = (project / "seeds/params.yaml").read_bytes()
    said = run(project, "python", "stages/seeds.py", number, systems, status=2)
    assert said.startswith(fault)
    assert said.count("\n") == 1
    assert (project / "seeds/params.yaml").read_bytes() == before
