"""The state of a training between two epochs, in a file: when it was killed, the same training goes on from there.

A file of safetensors: tensors by name, and one entry of JSON for all else, with a checksum of everything. Nothing is
pickled. It is written beside its place and renamed into it, and not synced to the disk: the checksum finds out what a
power cut leaves of it.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fashion.classifier.checksum import checksum
from fashion.errors import InputError
from fashion.files import replacing
from fashion.training.origin import Origin

# Seconds of training at least between two writes. On a Xeon of 2023 a write takes 0.07 s of its time for `final` (2M
# parameters, 32 MB) and 0.14 for `final_cnn` (77 MB), the first one 0.25 s more, for the checksum of 246 MB of images.
# That is 0.4% and 0.7% of the time where an epoch takes 20 s or less, and less where it takes longer.
PAUSE = 20.0
SHARE = 0.01  # of the time, at most, goes into writing: where a write takes longer than 0.2 s, pauses are longer
TENSOR = "tensor"  # marks the place of a tensor in JSON, and names it


@dataclass
class Checkpoint:
    """Where the state of one training is kept until it has ended.

    say: told in a line what becomes of it. usable: whether the file is of the training that goes on.
    """

    path: Path
    say: Callable[[str], None]
    usable: bool = False
    origin: Origin | None = None
    due: float = field(default_factory=lambda: time.monotonic() + PAUSE)

    def begin(self, origin: Origin) -> dict[str, Any] | None:
        """Give the state that was kept of a training of this origin, if there is one; further ones are kept as its."""
        self.origin = origin
        try:
            kept = read(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"{self.path} cannot be read ({error.strerror}): starting anew")
            return None
        if kept is None:
            self.say(f"{self.path} is damaged: starting anew")
            return None
        other = [name for name, part in origin.parts().items() if kept["origin"].get(name) != part]
        if other:
            self.say(f"{self.path} is of {other[0]}: starting anew")
            return None
        self.usable = True
        return kept["state"]

    def keep(self, state: dict[str, Any]) -> None:
        """Write a state of nested dicts, lists, tensors and what JSON knows, if the last write is long enough ago."""
        started = time.monotonic()
        if started < self.due or self.origin is None:
            return
        try:
            write(self.path, {"origin": self.origin.parts(), "state": state})
        except (InputError, OSError, SafetensorError) as error:
            self.say(f"{self.path} cannot be written ({error}): if killed, the training starts anew")
            self.due = math.inf
            return
        self.usable = True
        ended = time.monotonic()
        self.due = ended + max(PAUSE, (ended - started) / SHARE)

    def remove(self) -> None:
        """Delete the file, and what killed writes have left beside it."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part")):
            with suppress(OSError):  # left there, it does no harm
                path.unlink()


def write(path: Path, content: dict[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(take_out(content, tensors))
    entry = {"content": text, "checksum": checksum(tensors, text)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"fashion checkpoint": json.dumps(entry)})


def read(path: Path) -> dict[str, Any] | None:
    """Read what was written; None where anything of it has changed. OSError where there is nothing to read."""
    try:
        with safe_open(path, framework="pt") as file:
            entry = json.loads(file.metadata()["fashion checkpoint"])
            # Copies: else they would be what the file holds at the time that they are used.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (not a dict)
        if entry["checksum"] != checksum(tensors, entry["content"]):
            return None
        return put_back(json.loads(entry["content"]), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None


def take_out(value: Any, tensors: dict[str, Tensor], place: str = "") -> Any:
    """Put the tensors of nested dicts and lists into `tensors`; give what is left, with their names in their places."""
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous()
        return {TENSOR: place}
    if isinstance(value, dict):
        return {str(key): take_out(item, tensors, f"{place}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [take_out(item, tensors, f"{place}/{number}") for number, item in enumerate(value)]
    return value


def put_back(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo `take_out`; keys are text then, and tuples lists."""
    if isinstance(value, dict):
        if set(value) == {TENSOR}:
            return tensors[value[TENSOR]]
        return {key: put_back(item, tensors) for key, item in value.items()}
    return [put_back(item, tensors) for item in value] if isinstance(value, list) else value
