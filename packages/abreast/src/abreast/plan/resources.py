"""Read the resources of a stage from `meta` in dvc.yaml, and count those of this machine."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.errors import AbreastError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
MEMORY = re.compile(r"(\d+(?:\.\d+)?) *([kmgt]i?|)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Resources:
    """The resources that a stage uses while it runs.

    memory: bytes. mutex: names; of all stages with the same name, one runs at a time. retries: after a failure.
    """

    cores: int = 1
    memory: int = 0
    gpu: int = 0
    mutex: tuple[str, ...] = ()
    retries: int = 0

    @property
    def demand(self) -> dict[str, float]:
        """Return the amount of each resource, as the schedule counts it.

        >>> Resources(cores=2, mutex=("database",)).demand
        {'cores': 2, 'mutex database': 1}
        """
        amounts: dict[str, float] = {"cores": self.cores, "memory": self.memory, "gpu": self.gpu}
        return {name: amount for name, amount in amounts.items() if amount} | {
            f"mutex {name}": 1 for name in self.mutex
        }

    @classmethod
    def read(cls, meta: Any, place: str) -> "Resources":
        """Read `meta` of a stage; AbreastError, which begins with `place`, for an invalid value.

        >>> Resources.read({"cores": 2, "memory": "8 GB"}, "dvc.yaml: train").memory
        8000000000
        """
        if not isinstance(meta, Mapping):
            return cls()
        return cls(
            read_integer(meta.get("cores", 1), f"{place}: meta.cores", 1),
            read_memory(meta.get("memory", 0), f"{place}: meta.memory"),
            read_integer(meta.get("gpu", 0), f"{place}: meta.gpu", 0),
            read_names(meta.get("mutex", ()), f"{place}: meta.mutex"),
            read_integer(meta.get("retries", 0), f"{place}: meta.retries", 0),
        )


def read_integer(value: Any, place: str, minimum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise AbreastError(f"{place}: {value!r} is not an integer of at least {minimum}")
    return value


def read_memory(value: Any, place: str) -> int:
    match = MEMORY.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None:
        raise AbreastError(f"{place}: {value!r} is not an amount of memory; write 8 GB or 512 MiB")
    return int(float(match[1]) * UNITS[match[2].lower()])


def read_names(value: Any, place: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise AbreastError(f"{place}: {value!r} is not a list of names")
    return tuple(names)


def capacity(jobs: int | None, demands: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return what this machine has of each resource that stages ask for; `jobs` cores if that is given.

    Cores and memory respect CPU affinity and the limits of a container. Each mutex counts 1. GPUs count 1 if nvidia-smi
    lists none.

    >>> capacity(4, [{"cores": 2, "mutex database": 1}])
    {'cores': 4, 'mutex database': 1}
    """
    names = {name for demand in demands for name in demand}
    amounts: dict[str, float] = dict.fromkeys(names, 1)
    amounts["cores"] = jobs or count_cores()
    if "memory" in names:
        amounts["memory"] = total_memory()
    if "gpu" in names:
        amounts["gpu"] = max(count_gpus(), 1)
    return amounts


def count_cores() -> int:
    """Count the cores that CPU affinity and cgroup quotas allow this process to use."""
    from loky import cpu_count  # takes 0.1 s to import

    return int(cpu_count())


def total_memory() -> int:
    """Return the bytes of memory of this machine, or of its container."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # no such file, or it contains "max"
            return min(total, int(Path(file).read_text(encoding="ascii")))
    return total


def count_gpus() -> int:
    """Count the GPUs that nvidia-smi lists."""
    try:
        output = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return 0
    return len(output.stdout.splitlines())
