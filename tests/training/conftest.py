import numpy as np
import pytest

from fashion.training.learning import Labelled


@pytest.fixture
def train(images: np.ndarray, labels: np.ndarray) -> Labelled:
    three_of_four = np.arange(400) % 4 > 0
    return Labelled(images[three_of_four], labels[three_of_four])


@pytest.fixture
def validation(images: np.ndarray, labels: np.ndarray) -> Labelled:
    return Labelled(images[::4], labels[::4])
