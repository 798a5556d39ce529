"""Test `make seeds`, which trains with other seeds, on the sample."""

import json
import re
from pathlib import Path

import pytest

from abreast.run import history
from clone import ROOT, edit_params, run
from fashion.settings.parsing import load_yaml


def make_seeds(project: Path, number: int | str, systems: str, status: int = 0) -> str:
    """Run `make seeds` without the installation."""
    command = ["make", "--old-file", ".venv/.installed", "seeds", f"N={number}", f"SYSTEMS={systems}"]
    return run(project, *command, status=status)


def read_results(project: Path) -> dict:
    return json.loads((project / "metrics/seeds.json").read_text(encoding="utf-8"))


def trained(project: Path, output: str) -> set[str]:
    """Name the trainings that ran, and were not restored from DVC's cache."""
    done = re.findall(r"^(seeds/dvc.yaml:(?:train|finetune)_again@\S+): done", output, re.MULTILINE)
    outcomes = {record.stage: record.outcome for record in history.read(project)}  # the last run of each stage
    return {name.partition(":")[2] for name in done if outcomes[name] == "done"}


def test_the_guide_has_the_command_that_is_tested_here() -> None:
    guide = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    assert 'make seeds N=3 SYSTEMS="base base_cnn"\n' in guide


def test_trainings_with_other_seeds_run_once_and_are_compared(project: Path) -> None:
    assert trained(project, make_seeds(project, 2, "final base_cnn")) == {
        "train_again@base_cnn-1",
        "finetune_again@final-1",
    }
    first, main = read_results(project), json.loads((project / "metrics/variants.json").read_text())
    assert list(first) == ["base_cnn", "final"]
    for name, row in first.items():
        assert row["runs"]["0"] == {key: main[name][key] for key in ("val_accuracy", "test_accuracy")}
        assert len({tuple(scores.values()) for scores in row["runs"].values()}) > 1, "all seeds give the same model"
    assert first["final"]["against_baseline"]["p_value"] <= 1
    assert '<h2 id="seeds">' in (project / "report.html").read_text(encoding="utf-8")
    assert "Everything is up to date" in run(project, "abreast", "repro", "dvc.yaml", "seeds/dvc.yaml")

    assert trained(project, make_seeds(project, 3, "base_cnn")) == {"train_again@base_cnn-2"}
    assert trained(project, make_seeds(project, "", "")) == set(), "without N, the list stays"
    assert trained(project, make_seeds(project, 2, "base_cnn")) == set()
    assert read_results(project) == first, "runs of systems that are not named are lost"
    assert run(project, "abreast", "check").startswith("Fresh: "), "the lock has an entry of a removed run"

    make_seeds(project, 1, "")
    assert read_results(project) == {}
    assert '<h2 id="seeds">' not in (project / "report.html").read_text(encoding="utf-8")


def test_the_main_training_counts_as_one_of_them_with_any_seed(project: Path) -> None:
    edit_params(project, lambda params: params["train"].update(seed=1))
    run(project, "python", "-m", "tools.seeds", "3", "base_cnn")
    assert list(load_yaml(project / "seeds/params.yaml")["trainings"]) == ["base_cnn-0", "base_cnn-2"]


def test_a_list_of_other_seeds_makes_no_stage_of_the_main_pipeline_stale(project: Path) -> None:
    run(project, "python", "-m", "tools.seeds", "3", "")
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"


@pytest.mark.parametrize(
    ("number", "systems", "error"),
    [
        ("3", "bas_cnn", "error: SYSTEMS: there is no system 'bas_cnn' (did you mean base_cnn?); choose from"),
        ("0", "", "error: N: '0' is no number of trainings; take 3, or more"),
        ("many", "", "error: N: 'many' is no number of trainings; take 3, or more"),
    ],
)
def test_an_invalid_argument_is_refused_in_one_line(project: Path, number: str, systems: str, error: str) -> None:
    before = (project / "seeds/params.yaml").read_bytes()
    output = run(project, "python", "-m", "tools.seeds", number, systems, status=2)
    assert output.startswith(error)
    assert output.count("\n") == 1
    assert (project / "seeds/params.yaml").read_bytes() == before
