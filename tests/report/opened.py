"""Open a report in a browser, and record errors and requests."""

import dataclasses
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from fashion.results.report.contents import Results
from fashion.results.report.page import render


class OpenedPage:
    """A page in a browser.

    errors: messages of the console, exceptions and dialogs. requests: addresses that the page requested.
    """

    def __init__(self, browser: Browser, file: Path, **settings: object) -> None:
        context = browser.new_context(offline=True, **settings)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self.record_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("request", self.record_request)
        self.page.goto(file.as_uri())
        if settings.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-ready]")

    def record_message(self, message: ConsoleMessage) -> None:
        self.errors.append(message.text)

    def record_request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)


def write_report(results: Results, folder: Path, **changes: object) -> Path:
    """Write the report of some results, with changed fields."""
    file = folder / "report.html"
    file.write_text(render(dataclasses.replace(results, **changes)), encoding="utf-8")  # type: ignore[arg-type]
    return file
