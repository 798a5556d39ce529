"""Fixtures for all tests: 400 images of Fashion-MNIST with their labels, and a clone that has run the pipeline."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

os.environ |= {"FASHION_FSYNC": "0", "ABREAST_FSYNC": "0"}  # before `clone` copies the environment for subprocesses

from clone import DATA, copy_project, make_clone, make_once, run
from fashion.sources.idx import read_idx, read_idx_images

# Tests run side by side: more threads than a training asks for only wait for each other.
torch.set_num_threads(1)

PIPELINE_FIXTURES = {"reproduced", "relocked", "own"}  # each runs a whole pipeline

# Test files that take a minute or more start first: started last, they would run alone, on one core.
SLOWEST = ["hosts", "experiments", "relock", "your_own_data", "seeds", "killing", "quick"]

# A shell that starts the tests in the background makes them ignore Ctrl-C; the processes that they start inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Use one process more than there are cores: tests of pipelines wait almost as long as they compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests of pipelines, deselect nightly tests unless `-m` names them, and start with the slowest files."""
    for item in items:
        if PIPELINE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("pipeline")
    if "nightly" not in config.option.markexpr:
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]
    rank = {f"test_{name}": index for index, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(SLOWEST)))


@pytest.fixture(autouse=True)
def set_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """Give 400 training images, uint8 of 400 x 1 x 28 x 28, of all classes equally often."""
    return read_idx_images(DATA / "train-images-idx3-ubyte.gz").copy()  # torch needs it writable


@pytest.fixture(scope="session")
def labels() -> NDArray[np.uint8]:
    """Give the class numbers of the 400 images."""
    return read_idx(DATA / "train-labels-idx1-ubyte.gz", dimensions=1, sha256=None).copy()


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, str]:
    """Give a clone with all results, committed, and the output of the run. Tests must not change it: see `project`."""
    return make_once(tmp_path_factory, worker_id, "reproduced", reproduce)


def reproduce(folder: Path) -> str:
    """Make a clone, run its pipeline with eight stages at a time, and commit; give the output."""
    folder.mkdir()
    make_clone(folder)
    path = os.pathsep.join([str(Path(__file__).parent / "watch"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "OPENED": str(folder.parent / "opened")}  # see watch/sitecustomize.py
    output = run(folder, "abreast", "repro", "--jobs", "8", environment=environment)
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=Reproduce")
    return output


@pytest.fixture
def project(reproduced: tuple[Path, str], tmp_path: Path) -> Path:
    """Give a copy of `reproduced` that the test may change."""
    return copy_project(reproduced[0], tmp_path / "project")
