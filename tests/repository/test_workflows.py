"""What runs on others' machines is what runs here, and nothing that is not pinned."""

import re

import pytest
from ruamel.yaml import YAML

from clone import ROOT

GITHUB = YAML(typ="safe").load(ROOT / ".github/workflows/ci.yaml")["jobs"]["check"]["steps"]
GITLAB = YAML(typ="safe").load(ROOT / ".gitlab-ci.yml")["check"]["script"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "commands", [[step["run"] for step in GITHUB if "run" in step], GITLAB], ids=["GitHub", "GitLab"]
)
def test_each_step_is_a_make_target_and_the_checks_are_those_of_every_change(commands: list[str]) -> None:
    targets = [re.findall(r"\bmake ([a-z]+)", command) for command in commands]
    assert [each for (each,) in targets] == ["lint", "audit", "test", "pipelines", "validate", "changes"]
    assert {each for (each,) in targets} <= TARGETS
    local = re.findall(r"^make ([a-z]+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert local == ["lint", "test", "pipelines", "validate"]


def test_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for step in GITHUB if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
