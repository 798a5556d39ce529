"""Write report and docs as a website: public/, with README as its first page.

python -m tools.site

Each page of Markdown becomes HTML in the same folder, with all pages, pictures and files that it links to.
"""

import os
import re
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from fashion.files import write_text

ROOT = Path(__file__).parents[1]
FOLDER = Path("public")  # GitLab publishes the folder of this name
BADGES = re.compile(r"^\[!\[.*\n", re.MULTILINE)  # of the service that has the repository
EXTERNAL = re.compile(r"[a-z]+:|#")
HTML_IMAGE = re.compile(r'<img src="([^"]+)"')
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }}
body {{ overflow-wrap: break-word; }}
nav a {{ margin-right: 1rem; }}
pre, table {{ overflow-x: auto; display: block; max-width: 100%; }}
pre, code {{ font-family: ui-monospace, monospace; font-size: 0.9em; background: light-dark(#f2f4f6, #22272e); }}
pre {{ padding: 0.7rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid light-dark(#d5dae0, #3b424b); padding: 0.2rem 0.5rem; }}
img {{ max-width: 100%; height: auto; background: white; }}
</style>
</head>
<body>
<nav>
<a href="{root}index.html">Start</a>
<a href="{root}report.html">Report</a>
<a href="{root}docs/index.html">All pages</a>
</nav>
<main>
{content}</main>
</body>
</html>
"""


class Renderer(RendererHTML):
    """Renders Markdown as HTML; a graph of Mermaid stays text, since no script is loaded."""

    def fence(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        code = super().fence(tokens, index, options, env)
        if tokens[index].info.strip() != "mermaid":
            return code
        return f"<details><summary>The graph as text</summary>\n{code}</details>\n"


def main() -> None:
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    pages = write_site(ROOT, ROOT / FOLDER)
    print(f"{FOLDER}/: {len(pages)} pages; open {FOLDER}/index.html")


def write_site(root: Path, site: Path) -> set[Path]:
    """Write README.md, report.html and all that is linked from there; give the pages of Markdown."""
    copy(root / "report.html", root, site)
    waiting, done = [root / "README.md"], set()
    while waiting:
        page = waiting.pop()
        if page not in done:
            done.add(page)
            html, linked = render(page, root)
            write_text(site / page_of(page).relative_to(root), html)
            for target in sorted(linked):
                if target.suffix == ".md":
                    waiting.append(target)
                else:
                    copy(target, root, site)
    return done


def render(page: Path, root: Path) -> tuple[str, set[Path]]:
    """Render a page of Markdown; give the HTML and the files and folders that it links to."""
    markdown = MarkdownIt("commonmark", renderer_cls=Renderer).enable(["table", "strikethrough"])
    tokens = markdown.parse(BADGES.sub("", page.read_text(encoding="utf-8")))
    title, linked = page.stem, set()
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            token.attrSet("id", slug(following.content))
            title = following.content if token.tag == "h1" else title
        for child in [token, *(token.children or [])]:
            for key in ("href", "src"):
                url = child.attrGet(key)
                if isinstance(url, str) and not EXTERNAL.match(url):
                    path, hash_sign, anchor = url.partition("#")
                    target = Path(os.path.normpath(page.parent / path))
                    linked.add(target)
                    child.attrSet(key, f"{os.path.relpath(page_of(target), page.parent)}{hash_sign}{anchor}")
            if child.type in ("html_inline", "html_block"):
                linked |= {Path(os.path.normpath(page.parent / url)) for url in HTML_IMAGE.findall(child.content)}
    content = markdown.renderer.render(tokens, markdown.options, {})
    root_url = "../" * (len(page.relative_to(root).parts) - 1)
    return PAGE.format(title=escape(title), root=root_url, content=content), linked


def page_of(path: Path) -> Path:
    """Give the page for a file or folder: HTML for Markdown, a list for a folder, else the file itself."""
    if path.is_dir():
        return path / "index.html"
    if path.suffix != ".md":
        return path
    return path.with_name("index.html") if path.stem == "README" else path.with_suffix(".html")


def copy(source: Path, root: Path, site: Path) -> None:
    """Copy a file; for a folder copy its files, and write a list of them."""
    target = site / source.relative_to(root)
    if source.is_dir():
        names = sorted(path.name for path in source.iterdir() if path.is_file())
        for name in names:
            copy(source / name, root, site)
        links = "".join(f'<li><a href="{escape(name)}">{escape(name)}</a></li>\n' for name in names)
        root_url = "../" * len(source.relative_to(root).parts)
        html = PAGE.format(title=escape(source.name), root=root_url, content=f"<ul>\n{links}</ul>\n")
        write_text(target / "index.html", html)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def slug(heading: str) -> str:
    """Give the anchor that GitHub gives to a heading.

    >>> slug("Few, uneven or dirty images")
    'few-uneven-or-dirty-images'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
