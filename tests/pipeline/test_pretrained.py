"""Follow docs/pretrained.md with a few colour photographs: the final model is a pretrained network."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image

from clone import ROOT, edit_params, make_clone_without_images, run
from dvc_project import stages_run
from fashion.classifier.model_file import load
from small import colour_tiles

NETWORK = "tf_efficientnet_lite0"
BLOCK = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/pretrained.md").read_text(encoding="utf-8"), re.DOTALL)[0]


def shorten(params: dict) -> None:
    params["train"]["max_epochs"] = 2
    params["finetune"].update(max_epochs=1, threads=1)
    kept = ("cnn", "features_logistic", "features_neighbours", "from_nothing")
    params["variants"] = {name: params["variants"][name] for name in kept}
    params["split"]["folds"] = 3


def save(folder: Path, tiles: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, tile in enumerate(tiles):
        Image.fromarray(tile.transpose(1, 2, 0)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a clone in which the guide was followed up to the results."""
    folder = make_clone_without_images(tmp_path_factory.mktemp("pretrained") / "project")
    tiles, labels = colour_tiles(40, 40)
    for name, label in (("temple", 0), ("flower", 1)):
        save(folder / f"data/raw/train/{name}", tiles[labels == label][:24])
    save(folder / "data/raw/evaluate", tiles[-6:])
    for line in BLOCK.strip().splitlines()[1:]:  # the first one installs the package
        run(folder, "bash", "-c", line.strip())
    output = run(folder, "python", "-m", "fashion", "init")
    assert f"set model to {NETWORK} with the weights data/weights/{NETWORK}.pth" in output
    edit_params(folder, shorten)
    run(folder, "abreast", "repro")
    return folder


@pytest.mark.pipeline
def test_a_pretrained_network_goes_the_whole_way(project: Path) -> None:
    table = json.loads((project / "metrics/variants.json").read_text())
    assert set(table) == {"cnn", "features_logistic", "features_neighbours", "from_nothing", "final"}
    assert table["features_logistic"]["test_accuracy"] > 0.6, "after two epochs"
    assert table["features_neighbours"]["test_accuracy"] > 0.8
    assert table["features_neighbours"]["epochs"] == 0
    for name in ("features_logistic", "features_neighbours", "final"):
        assert table[name]["pretrained"]["licence"] == "apache-2.0"
        assert len(load(project / f"models/{name}.safetensors").members) == 3
    assert "pretrained" not in table["cnn"]
    scores = json.loads((project / "metrics/final.json").read_text())
    assert {row["images"] for row in scores["out_of_distribution"]} > {"test"}
    assert len((project / "data/predicted/results.csv").read_text().splitlines()) == 7
    assert (project / "plots/embedding/backbone.svg").read_text().count("<circle") == 48 + 2
    with (project / "data/audit/similar_backbone.csv").open() as file:
        assert float(next(csv.DictReader(file))["similarity"]) > 0.5
    page = (project / "report.html").read_text()
    assert '<h2 id="similar">' in page
    assert f"began with the weights of {NETWORK} from data/weights/{NETWORK}.pth" in page
    assert run(project, "dvc", "repro", "--dry").count("Running stage") == 0


@pytest.mark.pipeline
def test_every_way_of_using_it_gives_the_same_as_the_stage(project: Path) -> None:
    images = sorted((project / "data/raw/evaluate").glob("*.png"), key=lambda path: path.name)
    for name in ("features_logistic", "features_neighbours", "final"):
        model = project / f"models/{name}.safetensors"
        exported = model.with_suffix(".onnx")
        run(project, "python", "-m", "fashion", "export", str(model), "--output", str(exported))
        pixels = np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in images])
        session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
        labels = session.run(["probabilities"], {"images": pixels})[0].argmax(1).tolist()
        table = model.with_suffix(".csv")
        options = ("--model", str(model), "--precision", "fp32", "--output", str(table))
        run(project, "python", "-m", "fashion", "predict", *options, *map(str, images))
        assert pd.read_csv(table)["label"].tolist() == labels
        info = run(project, "python", "-m", "fashion", "info", str(model))
        assert "licence apache-2.0" in info


@pytest.mark.pipeline
def test_a_setting_of_the_head_trains_the_head_alone(project: Path) -> None:
    edit_params(project, lambda params: params["variants"]["features_logistic"]["phases"]["head"].update(lr=2e-3))
    stages = stages_run(run(project, "dvc", "repro", "--dry"))
    assert "train@features_logistic" in stages
    assert not [
        stage for stage in stages if stage.startswith(("embed", "finetune", "train")) if "logistic" not in stage
    ]
