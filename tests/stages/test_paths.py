"""The name of a run: a system, or a system and a seed."""

import pytest

from fashion.errors import InputError
from stages import paths


def test_a_run_is_a_system_with_or_without_its_own_seed() -> None:
    assert paths.split_run("base_cnn") == ("base_cnn", None)
    assert paths.split_run("base_cnn-12") == ("base_cnn", 12)


@pytest.mark.parametrize("run", ["base-7a", "base-", "base-1-2", "base--1"])
def test_a_malformed_seed_is_refused(run: str) -> None:
    with pytest.raises(InputError, match=f"^{run}: no name of a run; expected a system"):
        paths.split_run(run)
