"""Test `make quick` on the sample."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clone import ROOT, SYSTEMS, edit_params, run
from fashion.errors import InputError
from fashion.files import read_array
from fashion.params import check
from fashion.settings.ingest import IngestSettings
from fashion.settings.parsing import load_yaml
from fashion.sources.ingest import describe_raw
from tools import quick


def make_quick(project: Path) -> str:
    """Run `make quick` without the installation."""
    return run(project, "make", "--old-file", ".venv/.installed", "quick")


def test_quick_runs_all_systems_and_does_not_change_the_results_in_git(project: Path) -> None:
    edit_params(project, lambda params: params["split"].update(validation=0.25))
    run(project, "git", "commit", "--quiet", "--all", "--message=Validate on a fraction")
    script = project / "tools/quick.py"
    script.write_text(script.read_text(encoding="utf-8").replace("IMAGES = 2000", "IMAGES = 50"), encoding="utf-8")
    output = make_quick(project)
    assert "The report: quick/report.html\nNext: `make repro` " in output
    assert run(project, "git", "status", "--porcelain") == " M tools/quick.py\n"
    assert set(json.loads((project / "quick/metrics/variants.json").read_text())) == set(SYSTEMS)
    assert np.bincount(read_array(project / "quick/data/split/parts.npy")[0])[1] == 50, "training images"
    costs = json.loads((project / "quick/benchmarks/durations.json").read_text())
    # Estimates have only seconds; these costs are those of this run.
    assert costs["train@base"].keys() == costs["finetune"].keys() == {"seconds", "cpu", "memory"}
    assert "processor, min:s" in (project / "quick/report.html").read_text(encoding="utf-8")
    assert not [path for path in (project / "quick").rglob("*") if path.name in ("dvc.lock", "cache")]
    assert not [*(project / "quick/checkpoints").glob("*")]


def test_quick_shortens_trainings_and_keeps_the_batch_size_of_the_final_model() -> None:
    settings = load_yaml(ROOT / "params.yaml")
    quick.shorten(settings)
    params = check(settings, source="params.yaml")
    assert params.variants["kernel_5"].batch_size == 64
    assert params.variants["kernel_5"].phases["adam"].max_epochs == 4
    assert params.model.size == "small"
    assert params.model.test_time_augmentation == "none"
    assert params.model.batch_size == load_yaml(ROOT / "params.yaml")["model"]["batch_size"]
    assert params.model.at_size("small").phases["main"].max_epochs == 3


def test_images_in_folders_are_read_in_quick_too(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, image in enumerate(images[:6, 0]):
        path = tmp_path / f"data/raw/train/{'ab'[number % 2]}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    monkeypatch.chdir(tmp_path)
    for number in range(2):  # the second time without an image
        quick.place_images("folder")
        summary = describe_raw(Path("quick/data/raw"), IngestSettings(source="folder")).summary
        assert summary.startswith(f"{6 - number} labelled images of 2 classes")
        (tmp_path / "data/raw/train/a/0.png").unlink(missing_ok=True)


def test_links_to_files_are_followed_in_quick_and_one_to_nothing_is_named(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(images[0, 0]).save(tmp_path / "elsewhere.png")
    folder = tmp_path / "data/raw/train/a"
    folder.mkdir(parents=True)
    (folder / "0.png").symlink_to("../../../../elsewhere.png")
    monkeypatch.chdir(tmp_path)
    quick.place_images("folder")
    copy = tmp_path / "quick/data/raw/train/a/0.png"
    assert copy.read_bytes() == (tmp_path / "elsewhere.png").read_bytes()
    (folder / "1.png").symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"data/raw/train/a/1.png: cannot be linked .*; remove it"):
        quick.place_images("folder")
