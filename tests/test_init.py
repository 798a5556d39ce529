"""`fashion init` in a folder of a project."""

import subprocess
import sys
from pathlib import Path

import pytest

from clone import run
from fashion.cli import main
from fashion.errors import InputError
from fashion.init import SOURCES, write_params
from fashion.params import check
from fashion.settings.parsing import load_yaml


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data/raw").mkdir(parents=True)
    run(tmp_path, "git", "init", "--quiet")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "source", "scheme"),
    [("train", "folder", "fractions"), ("train.csv", "csv", "fractions"), ("idx", "idx", "official")],
)
def test_the_files_in_raw_decide_the_source(project: Path, name: str, source: str, scheme: str) -> None:
    (project / "data/raw" / name).mkdir()
    write_params(project, None, force=False)
    params = check(load_yaml(project / "params.yaml"), source="params.yaml")
    assert (params.ingest.source, params.split.scheme) == (source, scheme)
    assert len(params.variants) == 5


def test_durations_of_earlier_trainings_are_removed(project: Path) -> None:
    durations = project / "benchmarks/durations.json"
    durations.parent.mkdir()
    durations.write_text('{"finetune": 1261.1}')
    write_params(project, "csv", force=False)
    assert durations.read_text() == "{}\n"


def test_earlier_trainings_with_other_seeds_are_removed(project: Path) -> None:
    files = {"seeds/params.yaml": "trainings: {base-1: {}}\n", "seeds/dvc.lock": "", "seeds/seeds.json": "{}"}
    for name, text in {**files, "metrics/seeds.json": '{"base": {}}'}.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    write_params(project, "csv", force=False)
    assert (project / "metrics/seeds.json").read_text() == "{}\n"
    assert load_yaml(project / "seeds/params.yaml") == {"trainings": {}, "finetunings": {}, "tables": []}
    assert not (project / "seeds/dvc.lock").exists()
    assert not (project / "seeds/seeds.json").exists()


def test_without_images_the_source_must_be_named(project: Path) -> None:
    with pytest.raises(InputError, match="no images found; put a folder train/ .* there, or choose with --source"):
        write_params(project, None, force=False)
    for source in SOURCES:
        write_params(project, source, force=True)


def test_uncommitted_changes_are_not_overwritten(project: Path) -> None:
    (project / "params.yaml").write_text("mine: 1\n")
    with pytest.raises(InputError, match="has uncommitted changes; commit them, or run `fashion init --force`"):
        write_params(project, "csv", force=False)
    run(project, "git", "add", "params.yaml")
    run(project, "git", "commit", "--quiet", "--message=Mine")
    write_params(project, "csv", force=False)


def test_a_wrong_folder_is_an_error_of_one_line_with_status_2(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-m", "fashion", "init"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: dvc.yaml: no such file; run from the project's root\n"


def test_help_describes_the_command(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fashion", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "write params.yaml for your own images" in capsys.readouterr().out
