"""Read the costs of stages: seconds and, if abreast measured them, CPU seconds and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fashion.files import read_json


@dataclass(frozen=True)
class Cost:
    """Time and memory of a stage.

    seconds: elapsed time. cpu: CPU seconds. memory: bytes of the largest process. cpu and memory may be unknown.
    """

    seconds: float
    cpu: float | None = None
    memory: int | None = None


def read_costs(path: Path) -> dict[str, Cost]:
    """Read the costs of stages by name, from JSON: a number of seconds, or what abreast writes, for each stage."""
    return {
        name: Cost(value["seconds"], value.get("cpu"), value.get("memory")) if isinstance(value, dict) else Cost(value)
        for name, value in read_json(path).items()
    }


def group_costs(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """Add up the costs of each foreach stage: train@base and train@wide become train.

    >>> group_costs({"train@base": Cost(2.0), "train@wide": Cost(3.0)})
    {'train': Cost(seconds=5.0, cpu=None, memory=None)}
    """
    groups: dict[str, list[Cost]] = {}
    for name, cost in costs.items():
        groups.setdefault(name.partition("@")[0], []).append(cost)
    return {name: total_cost(group) for name, group in groups.items()}


def total_cost(costs: list[Cost]) -> Cost:
    """Add up costs; memory is the maximum. If cpu or memory of any stage is unknown, both are None."""
    cpu = [cost.cpu for cost in costs if cost.cpu is not None]
    memory = [cost.memory for cost in costs if cost.memory is not None]
    known = len(cpu) == len(memory) == len(costs)
    return Cost(sum(cost.seconds for cost in costs), sum(cpu) if known else None, max(memory) if known else None)
