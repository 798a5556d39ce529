"""Real images for all tests: 400 training and 100 test images of Fashion-MNIST, 10 classes alike."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clone import DATA, made_once, make_clone, run
from fashion.sources.idx import read_idx

# Threads beyond those that a training asks for only wait for each other: tests run side by side.
torch.set_num_threads(1)

RUNNERS_TESTS = Path(__file__).parents[1] / "packages/abreast/tests"

# Of a minute and more, the longest first: begun last, they would run on one core when all others are done.
LONG = ["hosts", "experiments", "relock", "your_own_data", "seeds", "killing", "quick"]

# A shell that starts the tests in the background has them ignore Ctrl-C, which the processes that they start inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Take one process more than there are cores: tests of whole pipelines wait almost as long as they compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs pipelines: `make test` leaves it out, and takes a fraction of the time. Begin with the longest."""
    for item in items:
        whole = {"reproduced", "relocked", "own"} & set(getattr(item, "fixturenames", ()))
        if whole or item.path.is_relative_to(RUNNERS_TESTS):
            item.add_marker("pipeline")
    rank = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))


@pytest.fixture(autouse=True)
def same_chance_each_time() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """400 images of 28 x 28."""
    return read_idx(DATA / "train-images-idx3-ubyte.gz", dimensions=3, sha256=None).copy()  # torch wants it writable


@pytest.fixture(scope="session")
def labels() -> NDArray[np.uint8]:
    """Class numbers of the 400 images."""
    return read_idx(DATA / "train-labels-idx1-ubyte.gz", dimensions=1, sha256=None).copy()


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, str]:
    """A clone reproduced with eight stages at a time, and committed; not to be changed. With what was printed."""
    return made_once(tmp_path_factory, worker_id, "reproduced", reproduce)


def reproduce(folder: Path) -> str:
    """Make a clone and run it; give what was printed."""
    folder.mkdir()
    make_clone(folder)
    watch = os.pathsep.join([str(Path(__file__).parent / "watch"), os.environ.get("PYTHONPATH", "")])
    watched = {"PYTHONPATH": watch, "OPENED": str(folder.parent / "opened")}
    output = run(folder, "abreast", "repro", "--jobs", "8", environment=watched)
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=Reproduce")
    return output


@pytest.fixture
def project(reproduced: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it to change."""
    return shutil.copytree(reproduced[0], tmp_path / "project")
