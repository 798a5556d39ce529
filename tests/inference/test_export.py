"""Export models to ONNX, and run them in ONNX Runtime on real images."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fashion.classifier.classifier import energy_score
from fashion.classifier.ensemble import Ensemble
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
    exported: Path, classifier: Ensemble, images: np.ndarray
) -> None:
    probabilities, scores = run_onnx(exported, images[:, None])
    np.testing.assert_allclose(probabilities, predict(images, classifier).probabilities, atol=1e-4)
    logits = classifier.members[0].logits(classifier.frame.centred(images[:, None]), torch.device("cpu"))
    np.testing.assert_allclose(scores, energy_score(logits).numpy(), atol=1e-3)


def test_an_exported_model_of_colour_images_pads_them_with_their_background(
    exported_color: Path, color_classifier: Ensemble, color_images: np.ndarray
) -> None:
    probabilities, scores = run_onnx(exported_color, color_images)
    framed = color_classifier.frame.centred(color_images)
    logits = color_classifier.members[0].logits(framed, torch.device("cpu"))
    expected = color_classifier.members[0].log_probabilities(logits).exp().numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(scores, energy_score(logits).numpy(), atol=1e-3)


def test_an_exported_model_takes_any_number_of_images(exported: Path, images: np.ndarray) -> None:
    all_probabilities, _ = run_onnx(exported, images[:, None])
    one, _ = run_onnx(exported, images[:1, None])
    np.testing.assert_allclose(one, all_probabilities[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("family", "arguments", "size"),
    [
        ("mlp", {"hidden": [16], "batch_norm": True}, 20),  # shrunk
        ("cnn", {**CNN, "conv_norm": ["before"]}, 32),  # enlarged
        ("ramped_cnn", {**CNN, "pools": [2], "dropout": 0.5}, 30),
    ],
)
def test_every_family_can_be_exported_also_where_it_resizes_images(
    family: str, arguments: dict, size: int, color_images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    system = make_system(family=family, arguments=arguments, input={"size": size, "scaling": "standard"})
    train, validation = (LabelledImages(color_images[part::2], labels[part::2]) for part in (0, 1))
    classifier, _ = train_classifier(system, make_settings(max_epochs=1), TrainingData(train, validation, CLASSES))
    assert export_onnx(Ensemble([classifier]), tmp_path / "model.onnx") < 1e-4
    expected = classifier.predict(color_images, torch.device("cpu")).log_probabilities.exp().numpy()
    np.testing.assert_allclose(run_onnx(tmp_path / "model.onnx", color_images)[0], expected, atol=1e-4)


def test_an_exported_model_has_what_its_user_needs_as_metadata(
    exported_color: Path, color_classifier: Ensemble
) -> None:
    metadata = {prop.key: json.loads(prop.value) for prop in onnx.load(exported_color).metadata_props}
    assert metadata == {
        "classes": color_classifier.classes,
        "threshold": color_classifier.threshold,
        "background": [250, 240, 30],
        "levels": [0, 255],
    }


def test_an_exported_model_is_of_the_version_that_onnx_runtime_1_15_reads(exported_color: Path) -> None:
    model = onnx.load(exported_color)
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    (images,) = model.graph.input
    assert [size.dim_param or size.dim_value for size in images.type.tensor_type.shape.dim] == ["images", 3, 24, 30]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_an_export_without_its_packages_is_refused_with_the_command_that_installs_them(
    package: str, classifier: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"ONNX needs more packages \(.*{package}.*\); run pip install"):
        export_onnx(classifier, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
