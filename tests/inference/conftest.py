from pathlib import Path

import numpy as np
import pytest

from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import save
from fashion.inference.export import export_onnx
from fashion.settings.frame import Frame
from fashion.training.train import LabelledImages, TrainingData, train_classifier
from small import CLASSES, make_settings, make_system

GREY = Frame(
    channels=1, height=32, width=32, content_height=28, content_width=28, enlarge=False, background=[0], levels=[0, 255]
)
COLOR = Frame(
    channels=3,
    height=28,
    width=36,
    content_height=24,
    content_width=30,
    enlarge=True,
    background=[250, 240, 30],
    levels=[0, 255],
)


@pytest.fixture(scope="session")
def images(images: np.ndarray) -> np.ndarray:
    """Give 400 grey images as people have them: N x 28 x 28."""
    return images.reshape(-1, 28, 28)


@pytest.fixture(scope="session")
def color_images(images: np.ndarray) -> np.ndarray:
    """Give 400 colour images, N x 3 x 24 x 30: the grey ones on a ground of their own, in a colour for each row."""
    levels = np.pad(images[:, 2:26], ((0, 0), (0, 0), (1, 1)))[:, None].astype(float)
    tint = np.linspace(0.3, 1.0, 24)[:, None] * np.array([1.0, 0.6, 0.2])[:, None, None]
    ground = np.array(COLOR.background)[:, None, None]
    return (ground + (255 * tint - ground) * levels / 255).astype(np.uint8)


def train(framed: np.ndarray, labels: np.ndarray, frame: Frame) -> Ensemble:
    """Train a small network of the final model's family for some seconds, on 300 of 400 images."""
    is_train = np.arange(400) % 4 > 0
    system = make_system(
        family="whitened_cnn",
        arguments={"channels": [8, 16, 16]},
        input={"size": "auto", "scaling": "standard"},
        phases={"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 12}},
    )
    parts = (LabelledImages(framed[part], labels[part]) for part in (is_train, ~is_train))
    data = TrainingData(*parts, CLASSES, frame=frame)
    return Ensemble([train_classifier(system, make_settings(), data, test_time_augmentation="shift_and_flip")[0]])


@pytest.fixture(scope="session")
def classifier(images: np.ndarray, labels: np.ndarray) -> Ensemble:
    """Give a model of grey images in a margin."""
    return train(GREY.centred(images[:, None]), labels, GREY)


@pytest.fixture(scope="session")
def color_classifier(color_images: np.ndarray, labels: np.ndarray) -> Ensemble:
    """Give a model of wide colour images in a margin that is not black."""
    return train(COLOR.centred(color_images), labels, COLOR)


@pytest.fixture(scope="session")
def exported(classifier: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the model of grey images as an ONNX file."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_onnx(classifier, path)
    return path


@pytest.fixture(scope="session")
def exported_color(color_classifier: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the model of colour images as an ONNX file."""
    path = tmp_path_factory.mktemp("exported") / "color.onnx"
    export_onnx(color_classifier, path)
    return path


@pytest.fixture
def model(classifier: Ensemble, tmp_path: Path) -> Path:
    path = tmp_path / "final.safetensors"
    save(classifier, path)
    return path


@pytest.fixture
def color_model(color_classifier: Ensemble, tmp_path: Path) -> Path:
    path = tmp_path / "color.safetensors"
    save(color_classifier, path)
    return path
