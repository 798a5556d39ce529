"""How many inputs, and which: `make test` takes the same 100 of each kind every time, `make fuzz` others and more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tqdm import tqdm

from hostile import INPUTS, counted

for name, always_the_same in (("test", True), ("fuzz", False)):
    settings.register_profile(
        name,
        max_examples=INPUTS,
        derandomize=always_the_same,
        database=None,
        deadline=None,  # `read_or_refused` looks at the clock, and at what this process alone has computed
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
settings.load_profile("test" if INPUTS <= 100 else "fuzz")


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Iterator[tqdm]:
    with counted(request.node.name) as shown:
        yield shown


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")
