from pathlib import Path

import numpy as np
import pytest

from fashion.classifier.classifier import Classifier
from fashion.classifier.file import save
from fashion.training.learning import Labelled, learn
from small import CLASSES, quiet, settings, system


@pytest.fixture(scope="session")
def classifier(images: np.ndarray, labels: np.ndarray) -> Classifier:
    """A network as the final model is one, small, trained for some seconds on images in a margin."""
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    three_of_four = np.arange(400) % 4 > 0
    what = system(
        family="whitened_cnn",
        arguments={"channels": [8, 16, 16]},
        input={"size": "auto", "scaling": "standard"},
        phases={"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 12}},
    )
    parts = [Labelled(framed[part], labels[part]) for part in (three_of_four, ~three_of_four)]
    return learn(what, settings(), *parts, classes=CLASSES, callbacks=quiet(), content=28, views="six")[0]


@pytest.fixture
def model(classifier: Classifier, tmp_path: Path) -> Path:
    save(classifier, tmp_path / "shipped.safetensors")
    return tmp_path / "shipped.safetensors"
