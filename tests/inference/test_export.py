"""Export models to ONNX, and run them in ONNX Runtime on real images."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fashion.classifier.classifier import Classifier, energy_score
from fashion.errors import InputError
from fashion.inference.export import export_onnx
from fashion.inference.predict import predict
from fashion.training.train import LabelledImages, TrainingData, train_classifier
from small import CLASSES, make_settings, make_system

CNN = {"channels": [8], "kernels": [3], "hidden": [16]}


def run_onnx(path: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities and energy scores that ONNX Runtime computes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities, scores = session.run(["probabilities", "energy_score"], {"images": images})
    return probabilities, scores


def test_an_exported_model_computes_the_probabilities_and_energy_scores_of_the_model(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    probabilities, scores = run_onnx(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(probabilities, predict(images, classifier).probabilities, atol=1e-4)
    logits = classifier.logits(classifier.frame.centred(images), torch.device("cpu"))
    np.testing.assert_allclose(scores, energy_score(logits).numpy(), atol=1e-3)


def test_an_exported_model_takes_any_number_of_images(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    all_probabilities, _ = run_onnx(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(run_onnx(tmp_path / "model.onnx", images[:1])[0], all_probabilities[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("family", "arguments", "size"),
    [
        ("mlp", {"hidden": [16], "batch_norm": True}, 20),  # shrunk
        ("cnn", {**CNN, "conv_norm": ["before"]}, 32),  # enlarged
        ("ramped_cnn", {**CNN, "pools": [2], "dropout": 0.5}, 28),
    ],
)
def test_every_family_can_be_exported_also_where_it_resizes_images(
    family: str, arguments: dict, size: int, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    system = make_system(family=family, arguments=arguments, input={"size": size, "scaling": "standard"})
    train, validation = (LabelledImages(images[part::2], labels[part::2]) for part in (0, 1))
    classifier, _ = train_classifier(system, make_settings(max_epochs=1), TrainingData(train, validation, CLASSES))
    assert export_onnx(classifier, tmp_path / "model.onnx") < 1e-4
    expected = predict(images, classifier).probabilities
    np.testing.assert_allclose(run_onnx(tmp_path / "model.onnx", images)[0], expected, atol=1e-4)


def test_an_exported_model_has_the_class_names_and_the_threshold_as_metadata(
    classifier: Classifier, tmp_path: Path
) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    metadata = {prop.key: prop.value for prop in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(metadata["classes"]) == classifier.classes
    assert float(metadata["threshold"]) == classifier.threshold


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_an_export_without_its_packages_is_refused_with_the_command_that_installs_them(
    package: str, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"ONNX needs more packages \(.*{package}.*\); run pip install"):
        export_onnx(classifier, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
