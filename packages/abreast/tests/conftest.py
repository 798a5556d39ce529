"""Settings of all tests: no fsync, and the marker `nightly`."""

import os

import pytest

os.environ["ABREAST_FSYNC"] = "0"  # before `abreast` is imported; processes that tests start inherit it


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker here, too: pytest may be run from a folder with settings of its own."""
    config.addinivalue_line("markers", "nightly: takes long, and is not run by default: pytest -m nightly")
