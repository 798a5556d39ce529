"""Models in ONNX, run by ONNX Runtime on real images."""

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
from fashion.training.learning import Labelled, learn
from fashion.use.exporting import export_onnx
from fashion.use.predicting import predict
from small import CLASSES, quiet, settings, system

CNN = {"channels": [8], "kernels": [3], "hidden": [16]}


def answers(path: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities, scores = session.run(["probabilities", "energy_score"], {"images": images})
    return probabilities, scores


def test_it_says_the_same_of_grey_levels_as_the_model(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    probabilities, scores = answers(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(probabilities, predict(images, classifier).probabilities, atol=1e-4)
    logits = classifier.logits(classifier.frame.centred(images), torch.device("cpu"))
    np.testing.assert_allclose(scores, energy_score(logits).numpy(), atol=1e-3)


def test_any_number_of_images_at_a_time(classifier: Classifier, images: np.ndarray, tmp_path: Path) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    all_of_them, _ = answers(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(answers(tmp_path / "model.onnx", images[:1])[0], all_of_them[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("family", "arguments", "size"),
    [
        ("mlp", {"hidden": [16], "batch_norm": True}, 20),  # shrunk
        ("cnn", {**CNN, "conv_norm": ["before"]}, 32),  # enlarged
        ("ramped_cnn", {**CNN, "pools": [2], "dropout": 0.5}, 28),
    ],
)
def test_every_family_with_images_shrunk_and_enlarged(
    family: str, arguments: dict, size: int, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    what = system(family=family, arguments=arguments, input={"size": size, "scaling": "standard"})
    parts = [Labelled(images[::2], labels[::2]), Labelled(images[1::2], labels[1::2])]
    classifier, _ = learn(what, settings(max_epochs=1), *parts, classes=CLASSES, callbacks=quiet())
    assert export_onnx(classifier, tmp_path / "model.onnx") < 1e-4
    expected = predict(images, classifier).probabilities
    np.testing.assert_allclose(answers(tmp_path / "model.onnx", images)[0], expected, atol=1e-4)


def test_it_carries_the_names_of_the_classes_and_the_threshold(classifier: Classifier, tmp_path: Path) -> None:
    export_onnx(classifier, tmp_path / "model.onnx")
    said = {prop.key: prop.value for prop in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(said["classes"]) == classifier.classes
    assert float(said["threshold"]) == classifier.threshold


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_without_its_packages_it_is_refused_with_the_way_out(
    package: str, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"ONNX needs more packages \(.*{package}.*\); run pip install"):
        export_onnx(classifier, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
