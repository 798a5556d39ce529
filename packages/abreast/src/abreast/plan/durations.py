"""Durations of stages: they tell which stage to start first, and how long the rest of a run will take."""

import json
import statistics
from pathlib import Path
from typing import Any

from abreast.dvc_api import write_whole
from abreast.errors import AbreastError

DEFAULT_SECONDS = 10.0  # expected of a stage if no stage of its group ran before


def read_seconds(file: Path) -> dict[str, float]:
    """Read the seconds of stages from {name: seconds}, or from the file that runs write; AbreastError if invalid."""
    return seconds_of(read(file))


def seconds_of(durations: dict[str, Any]) -> dict[str, float]:
    return {name: float(value["seconds"] if isinstance(value, dict) else value) for name, value in durations.items()}


def read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        if all(isinstance(value, int | float) or value.keys() >= {"seconds"} for value in content.values()):
            return dict(content)
    except (ValueError, AttributeError):
        pass
    raise AbreastError(f"{file}: not durations of stages, {{name: seconds}}; delete it") from None


def write_duration(file: Path, name: str, usage: dict[str, float]) -> None:
    """Set the seconds, processor seconds and memory of one stage in the file."""
    durations = {**read(file), name: usage}
    write_whole(file, (json.dumps(dict(sorted(durations.items())), indent=1) + "\n").encode())


def expected_seconds(names: list[str], known: dict[str, float]) -> dict[str, float]:
    """Estimate the seconds of each stage: its last duration, else the median of its group, else 10.

    >>> expected_seconds(["train@a", "train@b"], {"train@a": 60})
    {'train@a': 60, 'train@b': 60}
    """
    groups: dict[str, list[float]] = {}
    for name, seconds in known.items():
        groups.setdefault(group_of(name), []).append(seconds)
    return {name: known.get(name) or statistics.median(groups.get(group_of(name), [DEFAULT_SECONDS])) for name in names}


def group_of(name: str) -> str:
    """Return the name of a stage without its file and its `foreach` key.

    >>> group_of("more/dvc.yaml:evaluate@base")
    'evaluate'
    """
    return name.partition("@")[0].rpartition(":")[2]
