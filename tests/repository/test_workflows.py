"""What runs on others' machines is what runs here, and nothing that is not pinned."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from clone import ROOT


def read(path: str) -> dict[str, Any]:
    return YAML(typ="safe").load(ROOT / path)


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


WORKFLOWS = {path.name: read(f".github/workflows/{path.name}") for path in (ROOT / ".github/workflows").iterdir()}
GITHUB = {name: job for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items()}
GITLAB = {name: job for name, job in read(".gitlab-ci.yml").items() if "script" in job}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "jobs",
    [{name: commands(job) for name, job in GITHUB.items()}, {name: job["script"] for name, job in GITLAB.items()}],
    ids=["GitHub", "GitLab"],
)
def test_each_step_is_a_make_target_and_the_checks_are_those_of_every_change(jobs: dict[str, list[str]]) -> None:
    targets = {
        name: [target for line in lines for target in re.findall(r"\bmake ([a-z-]+)", line)]
        for name, lines in jobs.items()
    }
    checks = ["lint", "audit", "test", "pipelines", "validate", "changes"]
    assert targets == {"check": checks, "abreast": ["abreast"], "newest-dvc": ["newest-dvc"]}
    assert all(len(targets[name]) == len(lines) for name, lines in jobs.items())
    assert {target for listed in targets.values() for target in listed} <= TARGETS
    local = re.findall(r"^make ([a-z]+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert local == ["lint", "test", "pipelines", "validate"]


def test_the_newest_dvc_is_tried_once_a_week_and_not_at_every_change() -> None:
    assert {name for name, workflow in WORKFLOWS.items() if "schedule" in workflow["on"]} == {"weekly.yaml"}
    assert {*WORKFLOWS["weekly.yaml"]["jobs"]} == {"newest-dvc"}
    (schedule,) = WORKFLOWS["weekly.yaml"]["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])
    scheduled = '$CI_PIPELINE_SOURCE == "schedule"'
    assert {name for name, job in GITLAB.items() if job["rules"] == [{"if": scheduled}]} == {"newest-dvc"}
    others = [job["rules"] for name, job in GITLAB.items() if name != "newest-dvc"]
    assert all(rules == [{"if": scheduled.replace("==", "!=")}] for rules in others)


def test_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for job in GITHUB.values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)


def test_a_job_may_only_read_and_has_a_time_limit() -> None:
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    assert all(job["timeout-minutes"] for job in GITHUB.values())
    assert all(job["timeout"] for job in GITLAB.values())
    checkouts = [step for job in GITHUB.values() for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert len(checkouts) == len(GITHUB)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
