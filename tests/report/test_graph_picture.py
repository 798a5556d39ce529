"""The picture of the pipeline shows the stages of dvc.yaml."""

from pathlib import Path

from fashion.results.report.pipeline import lay_out, stage_graph
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[2]
STAGES = load_yaml(ROOT / "dvc.yaml")["stages"]
SETTINGS = load_yaml(ROOT / "params.yaml")


def test_stages_are_connected_by_their_files() -> None:
    graph = stage_graph(STAGES, SETTINGS)
    assert set(graph.predecessors("finetune")) == {"split"}
    assert set(graph.predecessors("train")) == {"augment"}, "links that follow from others are left out"
    assert {"show_audit", "audit_labels", "show_data", "show_predictions"} == set(graph.predecessors("report"))


def test_each_stage_is_to_the_right_of_the_stages_that_it_needs() -> None:
    picture = lay_out(STAGES, SETTINGS, 27)
    assert {box["name"].removesuffix(" x 27") for box in picture["boxes"]} == set(STAGES)
    assert all(link["x1"] < link["x2"] for link in picture["links"])
    positions = [(box["x"], box["y"]) for box in picture["boxes"]]
    assert len(set(positions)) == len(positions)
