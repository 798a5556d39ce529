"""What decides every bit of a training, so that a state of one is never taken for that of another."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from fashion.classifier.checksum import checksum
from fashion.classifier.device import environment
from fashion.settings.system import System, TrainSettings
from fashion.training.trainer import Examples

LIBRARY = Path(__file__).parents[1]
ROOMS = ("classifier", "images", "networks", "settings", "training")  # whose code has a part in it


@dataclass
class Origin:
    """Two trainings whose `parts` are the same learn the same, bit for bit.

    settings: as JSON, with the size of what goes in and out. environment: see `environment`. code: a checksum.
    examples: of training and validation, whose checksum is computed when first asked for: 0.2 s for 240 MB.
    """

    settings: str
    environment: str
    code: str
    examples: Mapping[str, Examples]

    @cached_property
    def data(self) -> str:
        parts = {f"{name}.{key}": value for name, part in self.examples.items() for key, value in vars(part).items()}
        return checksum(parts)

    def parts(self) -> dict[str, str]:
        """Give all of it, each part by the name of what differs where it does."""
        return {
            "other settings": self.settings,
            "other code": self.code,
            "another processor, precision or torch": self.environment,
            "other images": self.data,
        }


def origin(
    system: System,
    settings: TrainSettings,
    examples: Mapping[str, Examples],
    *,
    classes: int,
    content: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Origin:
    """Describe a training of so many classes, on images of `content` pixels a side without their margin."""
    what = system.model_dump(mode="json", include={*System.model_fields})
    how = settings.model_dump(mode="json")
    return Origin(
        settings=json.dumps({"system": what, "training": how, "classes": classes, "content": content}),
        environment=json.dumps(environment(dtype, device)),
        code=code_checksum(path for room in ROOMS for path in (LIBRARY / room).rglob("*.py")),
        examples=examples,
    )


def code_checksum(files: Iterable[Path]) -> str:
    """Sum up files of the library by their places and bytes."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(LIBRARY)} {len(content)}\n".encode() + content)
    return digest.hexdigest()
