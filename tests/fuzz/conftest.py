"""Choose the inputs: `make test` takes the same 100 of each kind every time, `make fuzz` takes more and other ones."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tqdm import tqdm

from fashion.classifier.device import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
from hostile import INPUTS, counted

for name, derandomize in (("test", True), ("fuzz", False)):
    settings.register_profile(
        name,
        max_examples=INPUTS,
        derandomize=derandomize,
        database=None,
        deadline=None,  # `read_or_refused` measures the CPU time of this process
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
settings.load_profile("test" if INPUTS <= 100 else "fuzz")


@pytest.fixture(autouse=True)
def default_malloc() -> None:
    """Let glibc return freed memory, its default: in other tests of this process `configure_torch` keeps it."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(parameter, 128 * 1024)


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Iterator[tqdm]:
    with counted(request.node.name) as progress:
        yield progress


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")
