"""What docs/your_own_data.md tells to type, with scikit-learn's digits as files and as tables."""

import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from clone import ROOT, edit_params, made_once, make_clone, run
from dvc_project import stages_run
from fashion.classifier.file import load
from fashion.params import check
from fashion.settings.parsing import load_yaml

GUIDE = (ROOT / "docs/your_own_data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
EACH, TO_LABEL = 20, 30  # of each class; of all


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Give 8x8 images and their labels, each class alike, then those to label."""
    found = load_digits()
    images = np.rint(found.images * 255 / 16).astype(np.uint8)
    first = np.concatenate([np.flatnonzero(found.target == number)[:EACH] for number in range(10)])
    last = np.arange(len(images))[-TO_LABEL:]
    return images[[*first, *last]], found.target[[*first, *last]]


def as_files(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = raw / f"train/{NAMES[label]}" if number < 10 * EACH else raw / "evaluate"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")


def as_tables(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    pixels = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pix{number}" for number in range(1, 65)])
    train, evaluate = pixels[: 10 * EACH], pixels[10 * EACH :]
    train = train.assign(label=[NAMES[label] for label in labels[: 10 * EACH]])
    train.sort_values("label", kind="stable").to_csv(raw / "train.csv", index=False)  # in the order of folders
    evaluate.assign(ID=[f"00{number}" for number in range(TO_LABEL)]).to_csv(raw / "evaluate.csv", index=False)


def new_clone(folder: Path) -> Path:
    folder.mkdir()
    make_clone(folder)
    for path in (folder / "data/raw").glob("*.gz"):
        path.unlink()
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=Clone")
    return folder


def shorten(params: dict) -> None:
    """Make trainings short; the guide's are those of a user, of minutes."""
    params["train"]["max_epochs"] = 2
    params["finetune"].update(max_epochs=2, threads=1)
    params["model"]["sizes"]["small"]["arguments"]["channels"] = [8, 16]


def follow(folder: Path, block: str) -> str:
    """Run the lines of a block; what `make` does is done without an installation."""
    said = ""
    for line in (line for text in block.splitlines() for line in text.split("; ")):
        line = line.partition("  #")[0].strip().replace("make init", "python -m fashion init")
        line = line.replace("make repro", "abreast repro --durations benchmarks/durations.json")
        if not line.startswith("source "):
            said += run(folder, "bash", "-c", line)
    return said


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A clone with digits as files, after the blocks of the guide up to the first results; not to be changed."""
    return made_once(tmp_path_factory, worker_id, "own", follow_the_guide)[0]


def follow_the_guide(folder: Path) -> str:
    new_clone(folder)
    as_files(folder / "data/raw", *digits())
    said = follow(folder, BLOCKS[0])
    assert "wrote params.yaml for data/raw/train data/raw/evaluate" in said
    check(load_yaml(folder / "params.yaml"), source="params.yaml")
    edit_params(folder, shorten)
    return said + follow(folder, BLOCKS[1])


def test_the_guide_leads_from_a_folder_of_images_to_labels_and_a_report(own: Path) -> None:
    final = json.loads((own / "metrics/final.json").read_text())
    assert list(final["per_class"]) == sorted(NAMES)
    results = pd.read_csv(own / "data/predicted/results.csv")
    assert results.columns.tolist() == ["ID", "label", "class"]
    assert len(results) == TO_LABEL
    assert [sorted(NAMES)[label] for label in results["label"]] == results["class"].tolist()
    page = (own / "report.html").read_text(encoding="utf-8")
    assert "seven" in page
    assert "T-shirt" not in page
    assert run(own, "git", "status", "--porcelain") == ""


def test_the_final_model_is_fitted_to_few_images_that_may_not_be_mirrored(own: Path) -> None:
    phases = pd.read_csv(own / "data/histories/final.csv")["phase"].tolist()
    assert phases == ["main", "finetune"], "validated at the end of each alone"
    assert load(own / "models/final.safetensors").views == "three"


def test_a_queued_experiment_has_the_images_too(own: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(own, tmp_path / "project")
    follow(folder, BLOCKS[2])
    until = time.monotonic() + 300
    while "Success" not in (status := run(folder, "dvc", "queue", "status")):
        assert "Failed" not in status, status
        assert time.monotonic() < until, status
        time.sleep(1)
    assert "model.mirror" in run(folder, "dvc", "exp", "show", "--csv")


def test_tables_do_as_well_and_a_clone_that_pulls_has_nothing_to_run(own: Path, tmp_path: Path) -> None:
    folder = new_clone(tmp_path / "tables")
    as_tables(folder / "data/raw", *digits())
    follow(folder, BLOCKS[0].replace("data/raw/train data/raw/evaluate", "data/raw/train.csv data/raw/evaluate.csv"))
    edit_params(folder, shorten)
    follow(folder, BLOCKS[1])
    results = [pd.read_csv(place / "data/predicted/results.csv", dtype=str) for place in (own, folder)]
    assert results[0]["label"].tolist() == results[1]["label"].tolist(), "the same images, whatever they come in"
    assert results[1]["ID"].tolist() == [f"00{number}" for number in range(TO_LABEL)]

    run(folder, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    run(folder, "git", "commit", "--quiet", "--all", "--message=Remote")
    run(folder, "dvc", "push", "--quiet")
    run(tmp_path, "git", "clone", "--quiet", str(folder), "second")
    run(tmp_path / "second", "dvc", "pull", "--quiet")
    assert stages_run(run(tmp_path / "second", "dvc", "repro")) == set()
