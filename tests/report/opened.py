"""A page in the browser, and the report that it shows."""

import dataclasses
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from fashion.results.report.page import Results, render


class Opened:
    """A page in the browser, with all that it complained of or asked for."""

    def __init__(self, browser: Browser, file: Path, **settings: object) -> None:
        context = browser.new_context(offline=True, **settings)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self.note)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-drawn]")

    def hear(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)

    def note(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)


def write(results: Results, folder: Path, **changes: object) -> Path:
    file = folder / "report.html"
    file.write_text(render(dataclasses.replace(results, **changes)), encoding="utf-8")  # type: ignore[arg-type]
    return file
