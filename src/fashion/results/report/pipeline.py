"""The graph of the pipeline, read from dvc.yaml and laid out for a picture."""

import re
from collections.abc import Mapping
from typing import Any

import networkx as nx

BOX = (150, 30)  # pixels
SPACE = (190, 46)  # from a box to the next


def stage_graph(stages: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> "nx.DiGraph[str]":
    """Connect stages by the files that one writes and another needs; those of a foreach are one.

    Links that follow from others are left out.
    """
    bodies = {name: stage.get("do", stage) for name, stage in stages.items()}
    outs = {name: [*body.get("outs", []), *body.get("metrics", [])] for name, body in bodies.items()}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(bodies)
    for name, body in bodies.items():
        for need in body.get("deps", []):
            need = with_settings(path_of(need), settings)
            writers = [other for other, paths in outs.items() if any(meets(need, path_of(out)) for out in paths)]
            graph.add_edges_from((other, name) for other in writers if other != name)
    return nx.transitive_reduction(graph)


def path_of(entry: Any) -> str:
    return entry if isinstance(entry, str) else str(next(iter(entry)))


def with_settings(path: str, settings: Mapping[str, Any]) -> str:
    """Put settings in place of `${their.names}`; those of a foreach stay."""

    def value(found: re.Match[str]) -> str:
        here: Any = settings
        for key in found[1].split("."):
            here = here.get(key) if isinstance(here, Mapping) else None
        return found[0] if here is None else str(here)

    return re.sub(r"\$\{([\w.]+)\}", value, path)


def meets(need: str, out: str) -> bool:
    """Tell whether a dependency is an output, or the folder of one; `${item...}` may stand for any name."""
    if need == out or out.startswith(f"{need}/"):
        return True
    pattern = "[^/]+".join(map(re.escape, re.split(r"\$\{item[^}]*\}", need)))
    return "${item" in need and re.fullmatch(pattern, out) is not None


def lay_out(stages: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], variants: int) -> dict[str, Any]:
    """Place the stages in columns, each right of all that it needs: boxes, links and the size, in pixels."""
    graph = stage_graph(stages, settings)
    places: dict[str, tuple[float, float]] = {}
    columns = [sorted(column, key=list(stages).index) for column in nx.topological_generations(graph)]
    tallest = max(map(len, columns), default=1)
    for x, column in enumerate(columns):
        top = (tallest - len(column)) / 2
        for y, name in enumerate(column):
            places[name] = (x * SPACE[0], (top + y) * SPACE[1])
    width, height = BOX
    return {
        "width": (len(columns) - 1) * SPACE[0] + width + 2,
        "height": (tallest - 1) * SPACE[1] + height + 2,
        "boxes": [
            {
                "name": name + (f" x {variants}" if "foreach" in stages[name] else ""),
                "does": stages[name].get("do", stages[name]).get("desc", ""),
                "needs": ", ".join(sorted(graph.predecessors(name))) or "no other",
                "x": x + 1,
                "y": y + 1,
            }
            for name, (x, y) in places.items()
        ],
        "links": [
            {
                "x1": places[start][0] + width + 1,
                "y1": places[start][1] + height / 2 + 1,
                "x2": places[end][0] + 1,
                "y2": places[end][1] + height / 2 + 1,
            }
            for start, end in sorted(graph.edges)
        ],
        "box": {"width": width, "height": height},
    }
