"""Compare the figures in git with the code that draws them, and with the list of docs/figures.md."""

import re
from pathlib import Path

from fashion.files import read_json
from fashion.params import check
from fashion.results.figures.style import save
from fashion.settings.parsing import load_yaml
from stages.figures.show_groups import draw_results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/figures.md").read_text(encoding="utf-8")
SUFFIXES = (".png", ".svg")
NOT_LISTED = {"plots/final/answers.png"}  # only a part of the report


def stage_figures() -> set[str]:
    stages = [stage.get("do", stage) for stage in load_yaml(ROOT / "dvc.yaml")["stages"].values()]
    outs = {out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage["outs"]}
    return {out for out in outs if out.endswith(SUFFIXES)} - NOT_LISTED


def test_the_page_lists_each_figure_of_the_stages() -> None:
    listed = {f"plots/{name}" for name in re.findall(r"\]\(\.\./plots/(\S+?)\)", PAGE)}
    folders = {"plots/systems/", "plots/embedding/"}  # with figures that settings name
    assert {name for name in stage_figures() if not name.startswith(tuple(folders))} == listed - folders
    assert folders <= listed


def test_each_row_of_the_page_shows_the_figure_that_it_links_to() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "](../plots/" in line]
    for row in rows:
        shown, linked = (re.findall(pattern, row)[0] for pattern in (r'<img src="(\S+)" width', r"\]\((\S+?)\)"))
        assert shown == linked or (linked.endswith("/") and shown.startswith(linked))
        assert (ROOT / "docs" / shown).is_file(), shown


def test_each_figure_in_git_is_smaller_than_200_kb() -> None:
    sizes = {str(path): path.stat().st_size for path in (ROOT / "plots").rglob("*") if path.suffix in SUFFIXES}
    assert sizes
    assert {path: size for path, size in sizes.items() if size > 200_000} == {}


def test_the_figures_of_all_systems_in_git_are_what_the_code_draws(tmp_path: Path) -> None:
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    for name, figure in draw_results(params, read_json(ROOT / "metrics/variants.json")).items():
        save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes() == (ROOT / "plots/groups" / name).read_bytes(), name
