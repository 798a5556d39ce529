"""docs/figures.md against what dvc.yaml draws."""

import re
from pathlib import Path

from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/figures.md").read_text(encoding="utf-8")
PICTURES = (".png", ".svg")
MATERIAL = {"plots/final/answers.png"}  # of the report


def drawn() -> set[str]:
    stages = [stage.get("do", stage) for stage in load_yaml(ROOT / "dvc.yaml")["stages"].values()]
    outs = {out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage["outs"]}
    return {out for out in outs if out.endswith(PICTURES)} - MATERIAL


def test_each_picture_that_is_drawn_stands_in_the_list() -> None:
    listed = {f"plots/{name}" for name in re.findall(r"\]\(\.\./plots/(\S+?)\)", PAGE)}
    assert {name for name in drawn() if not name.startswith("plots/systems/")} == listed - {"plots/systems/"}
    assert "plots/systems/" in listed


def test_each_picture_in_git_is_small_enough_for_a_page() -> None:
    pictures = [path for path in (ROOT / "plots").rglob("*") if path.suffix in PICTURES]
    assert pictures
    assert {str(path): path.stat().st_size for path in pictures if path.stat().st_size > 200_000} == {}
