"""The report of the sample in a browser: headless Chromium, without network."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened import OpenedPage, write_report
from playwright.sync_api import Browser, sync_playwright

from dvc_project import DURATIONS
from fashion.params import check
from fashion.results.report.contents import Results
from fashion.results.report.costs import group_costs, read_costs
from fashion.settings.parsing import load_yaml
from stages.results.report import read_results

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def results(reproduced: tuple[Path, str]) -> Results:
    folder = reproduced[0]
    params = check(load_yaml(folder / "params.yaml"), source="params.yaml")
    costs = read_costs(folder / DURATIONS)
    trainings = {name.removeprefix("train@"): cost for name, cost in costs.items() if name.startswith("train@")}
    return dataclasses.replace(read_results(params, folder), costs=trainings, stage_costs=group_costs(costs))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium is installed (Debian's package: chromium); the report was not opened")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, as in containers; the page is our own.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(results: Results, browser: Browser, tmp_path: Path) -> Iterator[OpenedPage]:
    page = OpenedPage(browser, write_report(results, tmp_path))
    yield page
    assert page.errors == []
    page.page.context.close()
