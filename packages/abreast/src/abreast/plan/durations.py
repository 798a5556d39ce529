"""How long stages took, to tell which to start first and how long the rest will take."""

import json
import statistics
from pathlib import Path
from typing import Any

from abreast.errors import AbreastError

UNKNOWN = 10.0  # seconds expected of a stage that has no like


def read_durations(*files: Path) -> dict[str, float]:
    """Read the seconds that stages took when they last ran, {name: seconds} or what runs keep; a later file's count."""
    known: dict[str, float] = {}
    for file in files:
        known |= seconds_of(read(file))
    return known


def seconds_of(content: dict[str, Any]) -> dict[str, float]:
    return {name: float(it["seconds"] if isinstance(it, dict) else it) for name, it in content.items()}


def read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        if all(isinstance(it, int | float) or it.keys() >= {"seconds"} for it in content.values()):
            return dict(content)
    except (ValueError, AttributeError):
        pass
    raise AbreastError(f"{file}: not the durations of stages, {{name: seconds}}; delete it") from None


def own_durations(file: Path) -> dict[str, Any]:
    """Read what runs keep; nothing where a machine that lost its power has left a damaged file."""
    try:
        return read(file)
    except AbreastError:
        return {}


def write_duration(file: Path, name: str, took: dict[str, float]) -> None:
    """Add to the file what a stage took."""
    known = {**own_durations(file), name: took}
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def expected(names: list[str], known: dict[str, float]) -> dict[str, float]:
    """Expect what each stage took last, else the median of its group, else ten seconds."""
    groups: dict[str, list[float]] = {}
    for name, seconds in known.items():
        groups.setdefault(group(name), []).append(seconds)
    return {name: known.get(name) or statistics.median(groups.get(group(name), [UNKNOWN])) for name in names}


def group(name: str) -> str:
    """Give what a stage does: train of train@base, evaluate of more/dvc.yaml:evaluate@base."""
    return name.partition("@")[0].rpartition(":")[2]
