"""What a stage asks of a machine, in `meta:` of dvc.yaml: cores, memory, gpu, mutex, retries."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.errors import AbreastError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) *([kmgt]i?|)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Resources:
    """What a stage fills while it runs.

    memory: bytes. mutex: names of which one stage at a time has each. retries: after failures.
    """

    cores: int = 1
    memory: int = 0
    gpu: int = 0
    mutex: tuple[str, ...] = ()
    retries: int = 0

    @property
    def demand(self) -> dict[str, float]:
        """Give the amount of each resource, as the schedule counts them."""
        amounts: dict[str, float] = {"cores": self.cores, "memory": self.memory, "gpu": self.gpu}
        return {name: much for name, much in amounts.items() if much} | {f"mutex {name}": 1 for name in self.mutex}

    @classmethod
    def read(cls, meta: Any, place: str) -> "Resources":
        """Read a stage's `meta`; AbreastError, with the place, where a value cannot be."""
        if not isinstance(meta, Mapping):
            return cls()
        return cls(
            whole(meta.get("cores", 1), f"{place}: meta.cores", 1),
            amount(meta.get("memory", 0), f"{place}: meta.memory"),
            whole(meta.get("gpu", 0), f"{place}: meta.gpu", 0),
            names(meta.get("mutex", ()), f"{place}: meta.mutex"),
            whole(meta.get("retries", 0), f"{place}: meta.retries", 0),
        )


def whole(value: Any, place: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise AbreastError(f"{place}: {value!r} is not a whole number from {least}")
    return value


def amount(value: Any, place: str) -> int:
    match = AMOUNT.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None:
        raise AbreastError(f"{place}: {value!r} is no amount of memory; write it as 8 GB, or 512 MiB")
    return int(float(match[1]) * UNITS[match[2].lower()])


def names(value: Any, place: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) for name in listed):
        raise AbreastError(f"{place}: {value!r} is not a list of names")
    return tuple(listed)


def capacity(jobs: int | None, demands: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Give what this machine has of all that stages ask for; of cores, `jobs` if that is given.

    Cores and memory are those that affinity and a container's limits allow. A mutex is there once, as is a GPU where
    nvidia-smi lists none.
    """
    asked = {name for demand in demands for name in demand}
    has: dict[str, float] = dict.fromkeys(asked, 1)
    has["cores"] = jobs or cpus()
    if "memory" in asked:
        has["memory"] = memory()
    if "gpu" in asked:
        has["gpu"] = max(gpus(), 1)
    return has


def cpus() -> int:
    """Count the cores that this process may use: affinity and cgroup quotas."""
    from loky import cpu_count  # 0.1 s

    return int(cpu_count())


def memory() -> int:
    """Give the bytes of this machine's memory, or of its container's."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            return min(total, int(Path(file).read_text(encoding="ascii")))
    return total


def gpus() -> int:
    """Count the GPUs that nvidia-smi lists."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return 0
    return len(listed.stdout.splitlines())
