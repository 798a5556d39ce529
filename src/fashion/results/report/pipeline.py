"""Read the graph of the pipeline from dvc.yaml, and compute the positions of its stages in the report."""

import re
from collections.abc import Mapping
from typing import Any

import networkx as nx

BOX_SIZE = (150, 30)  # width and height, in pixels
BOX_SPACING = (190, 46)  # from one box to the next, in pixels


def stage_graph(stages: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> "nx.DiGraph[str]":
    """Make the graph of stages: an edge goes from the stage that writes a file to each stage that depends on it.

    stages: of dvc.yaml. settings: of params.yaml.
    A foreach stage is one node. Edges that follow from others are left out.
    """
    definitions = {name: stage.get("do", stage) for name, stage in stages.items()}
    outs = {name: [*stage.get("outs", []), *stage.get("metrics", [])] for name, stage in definitions.items()}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(definitions)
    for name, stage in definitions.items():
        for entry in stage.get("deps", []):
            dep = interpolate(path_of(entry), settings)
            writers = [other for other, entries in outs.items() if any(matches(dep, path_of(out)) for out in entries)]
            graph.add_edges_from((other, name) for other in writers if other != name)
    return nx.transitive_reduction(graph)


def path_of(entry: Any) -> str:
    """Give the path of a dependency or output: a string, or a mapping of the path to its options."""
    return entry if isinstance(entry, str) else str(next(iter(entry)))


def interpolate(path: str, settings: Mapping[str, Any]) -> str:
    """Replace `${key.key}` in a path by the setting; leave names that are not in the settings, such as `${item}`.

    >>> interpolate("data/${model.images}/${item}.npy", {"model": {"images": "split"}})
    'data/split/${item}.npy'
    """

    def replacement(match: re.Match[str]) -> str:
        value: Any = settings
        for key in match[1].split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return match[0] if value is None else str(value)

    return re.sub(r"\$\{([\w.]+)\}", replacement, path)


def matches(dep: str, out: str) -> bool:
    """Check whether a dependency is an output, or the folder of one; `${item...}` matches any name."""
    if dep == out or out.startswith(f"{dep}/"):
        return True
    pattern = "[^/]+".join(map(re.escape, re.split(r"\$\{item[^}]*\}", dep)))
    return "${item" in dep and re.fullmatch(pattern, out) is not None


def lay_out(stages: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], num_variants: int) -> dict[str, Any]:
    """Place the stages in columns, each to the right of all stages that it depends on.

    Returns boxes, links and total size, in pixels.
    """
    graph = stage_graph(stages, settings)
    positions: dict[str, tuple[float, float]] = {}
    columns = [sorted(column, key=list(stages).index) for column in nx.topological_generations(graph)]
    max_rows = max(map(len, columns), default=1)
    for x, column in enumerate(columns):
        top = (max_rows - len(column)) / 2
        for y, name in enumerate(column):
            positions[name] = (x * BOX_SPACING[0], (top + y) * BOX_SPACING[1])
    width, height = BOX_SIZE
    return {
        "width": (len(columns) - 1) * BOX_SPACING[0] + width + 2,
        "height": (max_rows - 1) * BOX_SPACING[1] + height + 2,
        "boxes": [
            {
                "name": name + (f" x {num_variants}" if "foreach" in stages[name] else ""),
                "does": stages[name].get("do", stages[name]).get("desc", ""),
                "needs": ", ".join(sorted(graph.predecessors(name))) or "no other",
                "x": x + 1,
                "y": y + 1,
            }
            for name, (x, y) in positions.items()
        ],
        "links": [
            {
                "x1": positions[start][0] + width + 1,
                "y1": positions[start][1] + height / 2 + 1,
                "x2": positions[end][0] + 1,
                "y2": positions[end][1] + height / 2 + 1,
            }
            for start, end in sorted(graph.edges)
        ],
        "box": {"width": width, "height": height},
    }
