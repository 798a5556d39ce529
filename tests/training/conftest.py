import numpy as np
import pytest

from fashion.training.train import LabelledImages, TrainingData
from small import CLASSES


@pytest.fixture
def data(images: np.ndarray, labels: np.ndarray) -> TrainingData:
    """300 images to train on, 100 to validate on."""
    is_train = np.arange(400) % 4 > 0
    train = LabelledImages(images[is_train], labels[is_train])
    return TrainingData(train, LabelledImages(images[::4], labels[::4]), CLASSES)
