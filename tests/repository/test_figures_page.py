"""Compare the list of docs/figures.md with the figures that the stages of dvc.yaml draw."""

import re
from pathlib import Path

from fashion.settings.parsing import load_yaml

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
    assert {name for name in stage_figures() if not name.startswith("plots/systems/")} == listed - {"plots/systems/"}
    assert "plots/systems/" in listed


def test_each_figure_in_git_is_smaller_than_200_kb() -> None:
    sizes = {str(path): path.stat().st_size for path in (ROOT / "plots").rglob("*") if path.suffix in SUFFIXES}
    assert sizes
    assert {path: size for path, size in sizes.items() if size > 200_000} == {}
