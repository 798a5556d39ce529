"""What stages took: seconds and, where the runner has measured them, processor seconds and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fashion.files import read_json


@dataclass(frozen=True)
class Cost:
    """What a stage took.

    seconds: by the clock. cpu: processor seconds. memory: bytes of its largest process. The last two may not be known.
    """

    seconds: float
    cpu: float | None = None
    memory: int | None = None


def read_costs(path: Path) -> dict[str, Cost]:
    """Read the costs of stages by their names, from {name: seconds} or from what the runner writes."""
    return {
        name: Cost(took["seconds"], took.get("cpu"), took.get("memory")) if isinstance(took, dict) else Cost(took)
        for name, took in read_json(path).items()
    }


def by_group(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """Add up the stages of each foreach, train@base and train@wide as train; memory is that of the largest process."""
    groups: dict[str, list[Cost]] = {}
    for name, cost in costs.items():
        groups.setdefault(name.partition("@")[0], []).append(cost)
    return {name: added_up(group) for name, group in groups.items()}


def added_up(costs: list[Cost]) -> Cost:
    """Add up costs; what is not known of one is not known of all."""
    cpu = [cost.cpu for cost in costs if cost.cpu is not None]
    memory = [cost.memory for cost in costs if cost.memory is not None]
    known = len(cpu) == len(memory) == len(costs)
    return Cost(sum(cost.seconds for cost in costs), sum(cpu) if known else None, max(memory) if known else None)
