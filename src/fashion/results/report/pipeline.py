"""Read the graph of the pipeline from dvc.yaml, and compute the positions of its stages in the report."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import networkx as nx

BOX_SIZE = (150, 30)  # width and height, in pixels
COLUMN_WIDTH = 190  # from one column of boxes to the next, in pixels
ROW_HEIGHT = 46  # from one box to the next below it, in pixels
LINK_HEIGHT = 16  # pixels that a link takes in a column that it passes
SWEEPS = 8  # over the columns, to find an order with few crossings

Slot = str | tuple[str, str, int]
"""What stands in a column: a stage, or (start, end, column) of a link that passes it."""


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


def lay_out(stages: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Place the stages in columns, each to the right of all stages that it depends on.

    A link to a later column than the next gets a place of its own in each column that it passes, between the boxes.
    Returns boxes, links and total size, in pixels.
    """
    graph = stage_graph(stages, settings)
    generations = [sorted(column, key=list(stages).index) for column in nx.topological_generations(graph)]
    column_of = {name: number for number, column in enumerate(generations) for name in column}
    links = {(start, end): link_slots(start, end, column_of) for start, end in sorted(graph.edges)}
    columns: list[list[Slot]] = [list(column) for column in generations]
    for (start, _), slots in links.items():
        for number, slot in enumerate(slots[1:-1], start=column_of[start] + 1):
            columns[number].append(slot)
    order_columns(columns, list(links.values()))
    height = max((sum(map(slot_height, column)) for column in columns), default=0)
    middles: dict[Slot, float] = {}
    for column in columns:
        top = (height - sum(map(slot_height, column))) / 2
        for slot in column:
            middles[slot] = top + slot_height(slot) / 2
            top += slot_height(slot)
    box_width, box_height = BOX_SIZE
    return {
        "width": (len(columns) - 1) * COLUMN_WIDTH + box_width + 2,
        "height": height + 2,
        "boxes": [
            {
                "name": name + (f" x {number_of(stages[name], settings)}" if "foreach" in stages[name] else ""),
                "does": stages[name].get("do", stages[name]).get("desc", ""),
                "needs": ", ".join(sorted(graph.predecessors(name))) or "no other",
                "x": column_of[name] * COLUMN_WIDTH + 1,
                "y": middles[name] - box_height / 2 + 1,
            }
            for name in sorted(graph, key=lambda name: (column_of[name], middles[name]))
        ],
        "links": [
            {"start": start, "end": end, **link_path(slots, column_of[start], middles)}
            for (start, end), slots in links.items()
        ],
        "box": {"width": box_width, "height": box_height},
    }


def number_of(stage: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """Count the items of a foreach stage.

    >>> number_of({"foreach": "${variants}"}, {"variants": {"base": {}, "wide": {}}})
    2
    """
    items = stage["foreach"]
    if isinstance(items, str):
        value: Any = settings
        for key in items.removeprefix("${").removesuffix("}").split("."):
            value = value[key]
        items = value
    return len(items)


def link_slots(start: str, end: str, column_of: Mapping[str, int]) -> list[Slot]:
    """List what a link goes through: its start, a place in each column that it passes, and its end."""
    passed = range(column_of[start] + 1, column_of[end])
    return [start, *((start, end, column) for column in passed), end]


def slot_height(slot: Slot) -> int:
    return ROW_HEIGHT if isinstance(slot, str) else LINK_HEIGHT


def order_columns(columns: list[list[Slot]], links: list[list[Slot]]) -> None:
    """Sort each column by the mean position of its neighbours, to the left and to the right in turn."""
    before: dict[Slot, list[Slot]] = {}
    after: dict[Slot, list[Slot]] = {}
    for slots in links:
        for left, right in pairwise(slots):
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        neighbours = before if forwards else after
        position = {slot: place(column, number) for column in columns for number, slot in enumerate(column)}
        for column in columns if forwards else reversed(columns):
            means = {
                slot: sum(position[other] for other in neighbours[slot]) / len(neighbours[slot])
                if slot in neighbours
                else position[slot]
                for slot in column
            }
            column.sort(key=lambda slot, means=means: means[slot])  # type: ignore[misc]
            position |= {slot: place(column, number) for number, slot in enumerate(column)}


def place(column: list[Slot], number: int) -> float:
    """Give the distance of an entry of a column from the middle of the column, in pixels."""
    heights = [slot_height(slot) for slot in column]
    return sum(heights[:number]) + heights[number] / 2 - sum(heights) / 2


def link_path(slots: list[Slot], first_column: int, middles: Mapping[Slot, float]) -> dict[str, Any]:
    """Draw a link: a curve from column to column, and a straight line through each column that it passes."""
    width = BOX_SIZE[0]
    x, y = first_column * COLUMN_WIDTH + width + 1, middles[slots[0]] + 1
    path, x1 = f"M{x} {y:g}", x
    for number, slot in enumerate(slots[1:], start=first_column + 1):
        left, middle = number * COLUMN_WIDTH + 1, middles[slot] + 1
        bend = (left - x) / 2
        path += f"C{x + bend:g} {y:g} {left - bend:g} {middle:g} {left} {middle:g}"
        x, y = left, middle
        if slot is not slots[-1]:
            x += width
            path += f"H{x}"
    return {"path": path, "x1": x1, "x2": x}
