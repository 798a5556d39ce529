"""The picture of the pipeline shows the stages of dvc.yaml."""

import re
from pathlib import Path

import pytest

from fashion.results.report.pipeline import lay_out, stage_graph
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[2]
STAGES = load_yaml(ROOT / "dvc.yaml")["stages"]
SETTINGS = load_yaml(ROOT / "params.yaml")


def test_stages_are_connected_by_their_files() -> None:
    graph = stage_graph(STAGES, SETTINGS)
    assert set(graph.predecessors("finetune")) == {"split"}
    assert set(graph.predecessors("train")) == {"augment"}, "links that follow from others are left out"
    assert {"show_audit", "audit_labels", "show_data", "show_embedding", "show_predictions"} == set(
        graph.predecessors("report")
    )


def test_each_stage_is_to_the_right_of_the_stages_that_it_needs() -> None:
    picture = lay_out(STAGES, SETTINGS)
    assert {box["name"].partition(" x ")[0] for box in picture["boxes"]} == set(STAGES)
    assert f"train x {len(SETTINGS['variants'])}" in {box["name"] for box in picture["boxes"]}
    assert all(link["x1"] < link["x2"] for link in picture["links"])
    positions = [(box["x"], box["y"]) for box in picture["boxes"]]
    assert len(set(positions)) == len(positions)


def test_no_link_goes_behind_a_box() -> None:
    """A link bends between two columns, and passes a column in a straight line at a height where no box is."""
    picture = lay_out(STAGES, SETTINGS)
    width, height = picture["box"]["width"], picture["box"]["height"]
    passing = 0
    for link in picture["links"]:
        for y, right in re.findall(r"C\S+ \S+ \S+ \S+ \S+ (\S+)H([\d.]+)", link["path"]):
            column = [box for box in picture["boxes"] if box["x"] + width == pytest.approx(float(right))]
            assert column
            assert all(not box["y"] < float(y) < box["y"] + height for box in column)
            passing += 1
    assert passing, "some links pass columns"
