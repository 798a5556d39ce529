from pathlib import Path

import numpy as np
import pytest

from fashion.classifier.classifier import Classifier
from fashion.classifier.model_file import save
from fashion.training.train import LabelledImages, TrainingData, train_classifier
from small import CLASSES, make_settings, make_system


@pytest.fixture(scope="session")
def classifier(images: np.ndarray, labels: np.ndarray) -> Classifier:
    """A small network of the final model's family, trained for some seconds on images in a margin."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    is_train = np.arange(400) % 4 > 0
    system = make_system(
        family="whitened_cnn",
        arguments={"channels": [8, 16, 16]},
        input={"size": "auto", "scaling": "standard"},
        phases={"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 12}},
    )
    train, validation = (LabelledImages(padded[part], labels[part]) for part in (is_train, ~is_train))
    data = TrainingData(train, validation, CLASSES, content_side=28)
    return train_classifier(system, make_settings(), data, views="six")[0]


@pytest.fixture
def model(classifier: Classifier, tmp_path: Path) -> Path:
    path = tmp_path / "final.safetensors"
    save(classifier, path)
    return path
