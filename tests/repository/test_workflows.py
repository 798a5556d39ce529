"""Test the CI workflows of GitHub and GitLab: they run the same make targets, with pinned actions and time limits."""

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
def test_each_step_is_a_make_target_and_both_services_run_the_same_checks(jobs: dict[str, list[str]]) -> None:
    targets = {
        name: [target for line in lines for target in re.findall(r"\bmake ([a-z-]+)", line)]
        for name, lines in jobs.items()
    }
    checks = ["lint", "audit", "test", "pipelines", "validate", "changes"]
    assert targets == {
        "check": checks,
        "abreast": ["abreast"],
        "pages": ["site"],
        "nightly": ["nightly"],
        "newest-dvc": ["newest-dvc"],
    }
    assert all(len(targets[name]) == len(lines) for name, lines in jobs.items())
    assert {target for names in targets.values() for target in names} <= TARGETS
    local = re.findall(r"^make ([a-z]+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert local == ["lint", "test", "pipelines", "validate"]


def test_long_tests_run_only_on_a_schedule() -> None:
    scheduled = {name: workflow for name, workflow in WORKFLOWS.items() if "schedule" in workflow["on"]}
    assert {name: {*workflow["jobs"]} for name, workflow in scheduled.items()} == {
        "nightly.yaml": {"nightly"},
        "weekly.yaml": {"newest-dvc"},
    }
    for workflow in scheduled.values():
        (schedule,) = workflow["on"]["schedule"]
        assert re.fullmatch(r"\d+ \d+ \* \* (\*|[0-6])", schedule["cron"])
    condition = '$CI_PIPELINE_SOURCE == "schedule"'
    assert {name for name, job in GITLAB.items() if job["rules"] == [{"if": condition}]} == {"nightly", "newest-dvc"}
    others = [job["rules"] for name, job in GITLAB.items() if name not in ("nightly", "newest-dvc")]
    assert all(rules[0]["if"].endswith(condition.replace("==", "!=")) and len(rules) == 1 for rules in others)


def test_only_the_main_branch_is_published() -> None:
    assert WORKFLOWS["pages.yaml"]["on"] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert GITLAB["pages"]["rules"][0]["if"].startswith("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && ")
    assert GITLAB["pages"]["artifacts"] == {"paths": ["public"]}


def test_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for job in GITHUB.values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


def test_a_job_has_a_time_limit_and_only_one_that_publishes_may_write() -> None:
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    own = {name: job["permissions"] for name, job in GITHUB.items() if "permissions" in job}
    assert own == {"pages": {"contents": "read", "pages": "write", "id-token": "write"}}
    assert all(job["timeout-minutes"] for job in GITHUB.values())
    assert all(job["timeout"] for job in GITLAB.values())
    checkouts = [step for job in GITHUB.values() for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert len(checkouts) == len(GITHUB)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
