"""Test the website that `make site` writes: each link leads to a file, and to a heading if it names one."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tools import site

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """Collects the links and the ids of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [value for key in ("href", "src") if (value := values.get(key))]
        self.ids |= {value for value in [values.get("id")] if value}


@pytest.fixture(scope="module")
def website(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site.write_site(ROOT, folder)
    return folder


def test_each_link_leads_to_a_file_and_to_a_heading(website: Path) -> None:
    pages = {path: Page(path) for path in website.rglob("*.html") if path.name != "report.html"}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match("[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].ids):
                broken.append(f"{path.relative_to(website)}: {link}")
    assert broken == []


def test_the_website_has_the_report_and_a_page_for_each_page_of_the_docs(website: Path) -> None:
    assert (website / "report.html").read_bytes() == (ROOT / "report.html").read_bytes()
    names = {"index" if path.stem == "README" else path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in (website / "docs").glob("*.html")} == names
    assert "<title>Fashion: train and compare" in (website / "index.html").read_text(encoding="utf-8")


def test_badges_of_the_hosting_service_are_left_out(website: Path) -> None:
    assert "badge" not in (website / "index.html").read_text(encoding="utf-8")
