"""The sample's report in a real browser: headless Chromium, without network."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened import Opened, write
from playwright.sync_api import Browser, sync_playwright

import report
from dvc_project import DURATIONS
from fashion.params import check
from fashion.results.report.costs import by_group, read_costs
from fashion.results.report.page import Results
from fashion.settings.parsing import load_yaml

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def results(reproduced: tuple[Path, str]) -> Results:
    folder = reproduced[0]
    params = check(load_yaml(folder / "params.yaml"), source="params.yaml")
    costs = read_costs(folder / DURATIONS)
    trained = {name.removeprefix("train@"): cost for name, cost in costs.items() if name.startswith("train@")}
    return dataclasses.replace(report.read_results(params, folder), costs=trained, stage_costs=by_group(costs))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian's package: chromium); the report was not opened")
    with sync_playwright() as playwright:
        # As root, as in containers, Chromium has no sandbox; the page is our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(results: Results, browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    page = Opened(browser, write(results, tmp_path))
    yield page
    assert page.complaints == []
    page.page.context.close()
