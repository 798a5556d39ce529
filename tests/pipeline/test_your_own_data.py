"""Run the commands of docs/your_own_data.md with scikit-learn's digits, as image files and as tables."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from clone import ROOT, copy_project, edit_params, make_clone_without_images, make_once, run
from dvc_project import stages_run
from fashion.classifier.model_file import load
from fashion.params import check
from fashion.settings.parsing import load_yaml
from small import colour_tiles

GUIDE = (ROOT / "docs/your_own_data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PER_CLASS, UNLABELLED = 20, 30  # images


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Give 8x8 images and their labels: first `PER_CLASS` images of each class, then `UNLABELLED` for predict."""
    bunch = load_digits()
    images = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    labelled = np.concatenate([np.flatnonzero(bunch.target == number)[:PER_CLASS] for number in range(10)])
    indices = [*labelled, *np.arange(len(images))[-UNLABELLED:]]
    return images[indices], bunch.target[indices]


def write_files(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = raw / f"train/{NAMES[label]}" if number < 10 * PER_CLASS else raw / "evaluate"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")


def write_tables(raw: Path, images: np.ndarray, labels: np.ndarray) -> None:
    pixels = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pix{number}" for number in range(1, 65)])
    train, evaluate = pixels[: 10 * PER_CLASS], pixels[10 * PER_CLASS :]
    train = train.assign(label=[NAMES[label] for label in labels[: 10 * PER_CLASS]])
    train.sort_values("label", kind="stable").to_csv(raw / "train.csv", index=False)  # the order of the folders
    evaluate.assign(ID=[f"00{number}" for number in range(UNLABELLED)]).to_csv(raw / "evaluate.csv", index=False)


def shorten(params: dict) -> None:
    """Shorten the trainings, which take minutes with the settings of `make init`."""
    params["train"]["max_epochs"] = 2
    params["finetune"].update(max_epochs=2, threads=1)
    params["model"]["sizes"]["small"]["arguments"]["channels"] = [8, 16]


def run_block(folder: Path, block: str) -> str:
    """Run the lines of a block of commands, without the installation by `make`; give their output."""
    output = ""
    for line in (line for text in block.splitlines() for line in text.split("; ")):
        line = line.partition("  #")[0].strip().replace("make init", "python -m fashion init")
        line = line.replace("make repro", "abreast repro --durations benchmarks/durations.json")
        if not line.startswith("source "):
            output += run(folder, "bash", "-c", line)
    return output


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Give a clone with digits as files, in which the guide was followed up to the results; not to be changed."""
    return make_once(tmp_path_factory, worker_id, "own", follow_the_guide)[0]


def follow_the_guide(folder: Path) -> str:
    make_clone_without_images(folder)
    write_files(folder / "data/raw", *digits())
    output = run_block(folder, BLOCKS[0])
    assert "wrote params.yaml for data/raw/train data/raw/evaluate" in output
    check(load_yaml(folder / "params.yaml"), source="params.yaml")
    edit_params(folder, shorten)
    return output + run_block(folder, BLOCKS[1])


def test_the_commands_of_the_guide_give_labels_and_a_report_for_a_folder_of_images(own: Path) -> None:
    final = json.loads((own / "metrics/final.json").read_text())
    assert list(final["per_class"]) == sorted(NAMES)
    results = pd.read_csv(own / "data/predicted/results.csv")
    assert results.columns.tolist() == ["ID", "label", "confidence", "out_of_distribution", "class"]
    assert len(results) == UNLABELLED
    assert [sorted(NAMES)[label] for label in results["label"]] == results["class"].tolist()
    page = (own / "report.html").read_text(encoding="utf-8")
    assert "seven" in page
    assert "T-shirt" not in page
    assert run(own, "git", "status", "--porcelain") == ""


def test_the_settings_of_the_final_model_are_adapted_to_few_images_that_must_not_be_mirrored(own: Path) -> None:
    phases = pd.read_csv(own / "data/histories/final.csv")["phase"].tolist()
    assert phases == ["main", "finetune"], "a phase is validated more than once"
    assert load(own / "models/final.safetensors").used[0].test_time_augmentation == "shift"


def write_colour_files(raw: Path) -> dict[str, int]:
    """Write tiles of two photographs, 24 rows of 36 pixels, as files of several formats; give their number by part."""
    counts = {"train": 120, "test": 30, "evaluate": 10}
    parts = [part for part, count in counts.items() for _ in range(count)]
    suffixes = ("png", "jpg", "webp", "tif")
    for number, (part, image, label) in enumerate(zip(parts, *colour_tiles(24, 36), strict=False)):
        folder = raw / (part if part == "evaluate" else f"{part}/{('temple', 'flower')[label]}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number:03}.{suffixes[number % 4]}")
    return counts


@pytest.mark.pipeline
def test_wide_colour_images_with_their_own_test_set_are_trained_on_as_they_are(tmp_path: Path) -> None:
    folder = make_clone_without_images(tmp_path / "colour")
    counts = write_colour_files(folder / "data/raw")
    run(folder, "python", "-m", "fashion", "init")

    def keep_three(params: dict) -> None:
        shorten(params)
        params["train"]["max_epochs"] = 8
        params["variants"] = {name: params["variants"][name] for name in ("linear", "cnn", "cnn_shifted")}

    edit_params(folder, keep_three)
    run(folder, "abreast", "repro")
    about = json.loads((folder / "data/ingested/about.json").read_text())
    frame = about["frame"]
    assert about["classes"] == ["flower", "temple"]
    assert [frame[key] for key in ("channels", "content_height", "content_width")] == [3, 24, 36]
    assert len(frame["background"]) == 3
    split = pd.read_csv(folder / "data/split/samples.csv")
    assert set(split["part"]) == {"test", *(f"fold {number}" for number in range(1, 6))}
    assert (split["part"] == "test").sum() == counts["test"]
    assert split.loc[split["part"] == "test", "file"].str.startswith("test/").all()
    images = np.load(folder / "data/split/labelled_images.npy")
    assert images.shape[1:] == (3, frame["height"], frame["width"])
    scores = json.loads((folder / "metrics/variants.json").read_text())
    assert scores["cnn"]["test_accuracy"] > 0.7
    results = pd.read_csv(folder / "data/predicted/results.csv")
    assert len(results) == counts["evaluate"]
    assert set(results["class"]) <= {"flower", "temple"}
    assert load(folder / "models/final.safetensors").members[0].preparation.size == [24, 36]
    output = run(folder, "python", "-m", "fashion", "predict", "data/raw/test/temple")
    assert output.count("temple") > output.count("flower")
    assert run(folder, "abreast", "repro") == "Everything is up to date.\n"


@pytest.mark.nightly
def test_a_queued_experiment_has_the_images(own: Path, tmp_path: Path) -> None:
    folder = copy_project(own, tmp_path / "project")
    run_block(folder, BLOCKS[2])
    deadline = time.monotonic() + 300
    while "Success" not in (status := run(folder, "dvc", "queue", "status")):
        assert "Failed" not in status, status
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert "model.mirror" in run(folder, "dvc", "exp", "show", "--csv")


@pytest.mark.nightly
def test_tables_give_the_labels_of_files_and_a_clone_that_pulls_has_nothing_to_run(own: Path, tmp_path: Path) -> None:
    folder = make_clone_without_images(tmp_path / "tables")
    write_tables(folder / "data/raw", *digits())
    run_block(folder, BLOCKS[0].replace("data/raw/train data/raw/evaluate", "data/raw/train.csv data/raw/evaluate.csv"))
    edit_params(folder, shorten)
    run_block(folder, BLOCKS[1])
    results = [pd.read_csv(project / "data/predicted/results.csv", dtype=str) for project in (own, folder)]
    assert results[0]["label"].tolist() == results[1]["label"].tolist(), "tables and files give other labels"
    assert results[1]["ID"].tolist() == [f"00{number}" for number in range(UNLABELLED)]

    run(folder, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    run(folder, "git", "commit", "--quiet", "--all", "--message=Remote")
    run(folder, "dvc", "push", "--quiet")
    run(tmp_path, "git", "clone", "--quiet", str(folder), "second")
    run(tmp_path / "second", "dvc", "pull", "--quiet")
    assert stages_run(run(tmp_path / "second", "dvc", "repro")) == set()
