"""Checkpoints: the state of a training after an epoch, in a file, to resume a training that was killed.

A checkpoint is a safetensors file: tensors by name, and one JSON entry for everything else, with a checksum over both.
Nothing is pickled. The file is written atomically but not synced to the disk: the checksum detects what a power cut
leaves of it. A training resumes from a checkpoint only if their fingerprints are equal, and then ends with the same
bytes as one without an interruption.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fashion.classifier.checksum import checksum
from fashion.classifier.classifier import Classifier
from fashion.errors import InputError
from fashion.files import atomic_write
from fashion.settings.model import System, TrainSettings
from fashion.training.callbacks import Callback
from fashion.training.trainer import Examples

# Least number of seconds between two checkpoints. On a Xeon of 2023 a write takes 0.07 s for `final` (2M
# parameters, 32 MB) and 0.14 s for `final_cnn` (77 MB): 0.4% and 0.7% of the time where an epoch takes 20 s or less.
MIN_INTERVAL = 20.0
MAX_SHARE = 0.01  # of the time; where a write takes longer than 0.2 s, intervals are longer
TENSOR = "tensor"  # key of a tensor's name in JSON, in place of the tensor

LIBRARY = Path(__file__).parents[1]
CODE_FOLDERS = ("classifier", "images", "networks", "settings", "training")  # of the library; a training uses no others


@dataclass
class Checkpoint(Callback):
    """The checkpoint file of one training, kept until the training has ended.

    log: called with a line about what happens to the file. keep_end: whether to write the state at the end of the
    training, too, since others follow that may be killed. resumable: whether the file belongs to the current training.

    >>> checkpoint = Checkpoint(Path("checkpoints/base.safetensors"), log=print)
    >>> state = checkpoint.resume(fingerprint)  # None if there is nothing to resume
    """

    path: Path
    log: Callable[[str], None]
    keep_end: bool = False
    resumable: bool = False
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    next_save: float = field(default_factory=lambda: time.monotonic() + MIN_INTERVAL)

    def resume(self, fingerprint: Mapping[str, str]) -> dict[str, Any] | None:
        """Load the state of a training with this fingerprint, or None; states saved later get this fingerprint."""
        self.fingerprint = fingerprint
        try:
            content = read(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.log(f"{self.path} cannot be read ({error.strerror}): starting anew")
            return None
        if content is None:
            self.log(f"{self.path} is damaged: starting anew")
            return None
        saved = content.get("fingerprint", {})  # a checkpoint of an earlier version has none
        different = [name for name, value in fingerprint.items() if saved.get(name) != value]
        if different:
            self.log(f"{self.path} is of {different[0]}: starting anew")
            return None
        self.resumable = True
        return content["state"]

    def on_epoch(self, state: dict[str, Any]) -> None:
        """Write a state of nested dicts, lists, tensors and JSON values, unless the next write is not due yet."""
        started = time.monotonic()
        if started < self.next_save or not self.fingerprint:
            return
        try:
            write(self.path, {"fingerprint": dict(self.fingerprint), "state": state})
        except (InputError, OSError, SafetensorError) as error:
            self.log(f"{self.path} cannot be written ({error}): if killed, the training starts anew")
            self.next_save = math.inf
            return
        self.resumable = True
        ended = time.monotonic()
        self.next_save = ended + max(MIN_INTERVAL, (ended - started) / MAX_SHARE)

    def on_end(self, state: dict[str, Any]) -> None:
        """Write the state at the end, if others follow."""
        if self.keep_end:
            self.next_save = min(self.next_save, time.monotonic())
            self.on_epoch(state)

    def remove(self) -> None:
        """Delete the file, and temporary files of writes that were killed."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part")):
            with suppress(OSError):  # it does no harm
                path.unlink()


def compute_fingerprint(
    system: System, settings: TrainSettings, classifier: Classifier, train: Examples, validation: Examples | None
) -> dict[str, str]:
    """Describe everything that decides the bits of a training: settings, code, environment and examples.

    classifier: before the training. The keys name what differs between two trainings. Takes 0.2 s for 240 MB of
    examples.
    """
    described = {
        "system": system.model_dump(mode="json", include={*System.model_fields}),
        "training": settings.model_dump(mode="json"),
        "classes": len(classifier.classes),
        "frame": classifier.frame.model_dump(),
    }
    tensors = {
        f"{name}.{key}": value
        for name, part in (("train", train), ("validation", validation))
        if part is not None
        for key, value in vars(part).items()
    }
    return {
        "other settings": json.dumps(described),
        "other code": code_checksum(path for folder in CODE_FOLDERS for path in (LIBRARY / folder).rglob("*.py")),
        "another processor, precision or torch": json.dumps(classifier.environment),
        "other images": checksum(tensors),
    }


def code_checksum(files: Iterable[Path]) -> str:
    """Compute SHA-256 over the paths and bytes of files of the library."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(LIBRARY)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def write(path: Path, content: dict[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(extract_tensors(content, tensors))
    entry = {"content": text, "checksum": checksum(tensors, text)}
    with atomic_write(path, sync=False) as temporary:
        save_file(tensors, temporary, metadata={"fashion checkpoint": json.dumps(entry)})


def read(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; None if any of its bytes has changed, OSError if there is no file to read."""
    try:
        with safe_open(path, framework="pt") as file:
            entry = json.loads(file.metadata()["fashion checkpoint"])
            # Clones, since the tensors of an open file change when the file is replaced.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (not a dict)
        if entry["checksum"] != checksum(tensors, entry["content"]):
            return None
        return insert_tensors(json.loads(entry["content"]), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None


def extract_tensors(value: Any, tensors: dict[str, Tensor], name: str = "") -> Any:
    """Move the tensors of nested dicts and lists into `tensors`, and leave their names in their places."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return {TENSOR: name}
    if isinstance(value, dict):
        return {str(key): extract_tensors(item, tensors, f"{name}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [extract_tensors(item, tensors, f"{name}/{number}") for number, item in enumerate(value)]
    return value


def insert_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo `extract_tensors`; keys come back as strings, tuples as lists."""
    if isinstance(value, dict):
        if set(value) == {TENSOR}:
            return tensors[value[TENSOR]]
        return {key: insert_tensors(item, tensors) for key, item in value.items()}
    return [insert_tensors(item, tensors) for item in value] if isinstance(value, list) else value
