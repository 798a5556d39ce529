from pathlib import Path

import numpy as np
import pytest
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.file import load, save
from fashion.classifier.prediction import predict_logits
from fashion.classifier.preparation import Frame, Preparation
from fashion.errors import InputError
from fashion.networks.building import families
from fashion.settings.fields import Views


@pytest.fixture
def classifier() -> Classifier:
    arguments = {"channels": [4, 8], "kernels": [3, 3], "conv_norm": ["before", "after"], "hidden": [16]}
    torch.manual_seed(0)
    return Classifier(
        model=families.build("cnn", arguments, image_size=28, num_classes=10),
        family="cnn",
        arguments=arguments,
        preparation=Preparation(size=28, mean=72.9, std=90.0),
        frame=Frame(side=28, content=28, enlarge=False),
        classes=[f"class {number}" for number in range(10)],
        environment={"torch": "2", "precision": "fp32"},
    )


def test_a_saved_model_predicts_the_same_without_any_settings(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    save(classifier, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    cpu = torch.device("cpu")
    torch.testing.assert_close(loaded.log_probabilities(images, cpu), classifier.log_probabilities(images, cpu))
    assert loaded.classes == classifier.classes
    assert loaded.preparation == classifier.preparation
    assert loaded.parameters() == classifier.parameters()


@pytest.mark.parametrize("views", ["one", "six"])
def test_a_model_remembers_how_many_views_it_takes_of_an_image(
    views: Views, classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    classifier.views = views
    save(classifier, tmp_path / "model.safetensors")
    logits = predict_logits(classifier.model, classifier.preparation, torch.tensor(images), views=views)
    loaded = load(tmp_path / "model.safetensors").log_probabilities(images, torch.device("cpu"))
    torch.testing.assert_close(loaded, logits.log_softmax(1))


def test_the_same_model_is_the_same_bytes(classifier: Classifier, tmp_path: Path) -> None:
    save(classifier, tmp_path / "first")
    save(load(tmp_path / "first"), tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no model", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a model of this project"):
        load(path)


def test_a_model_whose_layers_are_not_todays_is_refused_with_the_way_out(
    classifier: Classifier, tmp_path: Path
) -> None:
    classifier.model.append(torch.nn.Linear(10, 10))
    save(classifier, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="made by another version of this project; `dvc repro` trains it again"):
        load(tmp_path / "model.safetensors")


def test_a_missing_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`dvc repro` trains it"):
        load(tmp_path / "model.safetensors")


def test_images_smaller_than_the_models_are_refused(classifier: Classifier, images: np.ndarray) -> None:
    with pytest.raises(InputError, match="images of 20 pixels a side are too small for a model of 28"):
        classifier.log_probabilities(images[:, :20, :20], torch.device("cpu"))
