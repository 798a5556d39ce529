"""The picture of the graph against DVC's own."""

from pathlib import Path

from fashion.results.report.pipeline import lay_out, stage_graph
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[2]
STAGES = load_yaml(ROOT / "dvc.yaml")["stages"]
SETTINGS = load_yaml(ROOT / "params.yaml")


def test_stages_hang_together_by_their_files() -> None:
    graph = stage_graph(STAGES, SETTINGS)
    assert set(graph.predecessors("finetune")) == {"split"}
    assert set(graph.predecessors("train")) == {"augment"}, "what follows from other links is left out"
    assert {"show_data", "show_predictions"} == set(graph.predecessors("report"))


def test_each_stage_stands_right_of_all_that_it_needs() -> None:
    picture = lay_out(STAGES, SETTINGS, 27)
    assert {box["name"].removesuffix(" x 27") for box in picture["boxes"]} == set(STAGES)
    assert all(link["x1"] < link["x2"] for link in picture["links"])
    places = [(box["x"], box["y"]) for box in picture["boxes"]]
    assert len(set(places)) == len(places)
