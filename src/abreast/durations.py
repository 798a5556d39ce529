"""How long stages took, to tell which to start first and how long the rest will take."""

import json
import statistics
from pathlib import Path

from abreast.errors import AbreastError

UNKNOWN = 10.0  # seconds expected of a stage that has no like


def known_durations(*files: Path) -> dict[str, float]:
    """Read the seconds that stages took when they last ran; a later file's count."""
    known: dict[str, float] = {}
    for file in files:
        if file.is_file():
            try:
                known |= {name: float(seconds) for name, seconds in json.loads(file.read_text("utf-8")).items()}
            except (ValueError, AttributeError, TypeError):
                raise AbreastError(f"{file}: not the durations of stages, {{name: seconds}}; delete it") from None
    return known


def write_durations(file: Path, seconds: dict[str, float]) -> None:
    """Add to the file what stages took, in seconds."""
    known = {**known_durations(file), **{name: round(took, 1) for name, took in seconds.items()}}
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")
    temporary.replace(file)


def expected(name: str, known: dict[str, float]) -> float:
    """Expect what the stage took last, else the median of its group, else ten seconds."""
    like = [seconds for other, seconds in known.items() if group(other) == group(name)]
    return known.get(name) or (statistics.median(like) if like else UNKNOWN)


def group(name: str) -> str:
    """Give what a stage does: train of train@base, evaluate of more/dvc.yaml:evaluate@base."""
    return name.rpartition(":")[2].partition("@")[0]
