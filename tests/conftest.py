"""Real images for all tests: 400 training and 100 test images of Fashion-MNIST, 10 classes alike."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fashion.idx import read_idx

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """400 images of 28 x 28."""
    return read_idx(DATA / "train-images-idx3-ubyte.gz", dimensions=3, sha256=None).copy()  # torch wants it writable


@pytest.fixture(scope="session")
def labels() -> NDArray[np.uint8]:
    """Class numbers of the 400 images."""
    return read_idx(DATA / "train-labels-idx1-ubyte.gz", dimensions=1, sha256=None).copy()
