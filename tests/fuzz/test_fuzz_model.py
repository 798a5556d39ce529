"""Model files, damaged, and with descriptions that promise anything."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from tqdm import tqdm

from fashion.classifier.classifier import Classifier
from fashion.classifier.file import load, save
from fashion.classifier.preparation import Frame, Preparation
from fashion.networks.building import families
from fashion.use.predicting import predict
from hostile import altered, damaged, read_or_refused

ARGUMENTS: dict[str, Any] = {
    "channels": [2, 3],
    "kernels": [3, 3],
    "paddings": [1, 0],
    "conv_norm": ["before", "none"],
    "hidden": [4],
}
DESCRIPTION: dict[str, Any] = {
    "family": "cnn",
    "arguments": ARGUMENTS,
    "preparation": {"size": 12, "mean": 72.9, "std": 90.0, "content": 12},
    "frame": {"side": 14, "content": 12, "enlarge": False},
    "classes": ["cat", "dog"],
    "environment": {"torch": "2", "precision": "fp32"},
    "views": "six",
    "temperature": 1.5,
    "threshold": 1.0,
}
IMAGE = np.arange(144, dtype=np.uint8).reshape(1, 12, 12)


@pytest.fixture(scope="module")
def sound(place: Path) -> Path:
    torch.manual_seed(0)
    given = DESCRIPTION | {
        "preparation": Preparation(**DESCRIPTION["preparation"]),
        "frame": Frame(**DESCRIPTION["frame"]),
    }
    model = families.build("cnn", ARGUMENTS, image_size=12, num_classes=2)
    save(Classifier(model=model, **given), place / "sound.safetensors")
    for precision in ("bf16", "fp32"):  # what is compiled at the first use takes seconds
        given["environment"] = {"precision": precision}
        predict(IMAGE, Classifier(model=model, **given))
    return place / "sound.safetensors"


def use(path: Path) -> np.ndarray:
    return predict(IMAGE, load(path)).probabilities


def with_header(whole: bytes, change: Any) -> bytes:
    """Give a model file with another description of its own."""
    length = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:length])
    header["__metadata__"]["fashion"] = json.dumps(change)
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + whole[length:]


@given(content=damaged([b"\0" * 100]))
def test_any_model_file_is_read_or_refused(content: bytes, sound: Path, place: Path, bar: tqdm) -> None:
    bar.update()
    whole, path = sound.read_bytes(), place / "damaged.safetensors"
    # What the damage is to zeros, it is to the file: it is longer than an argument of a strategy may be.
    path.write_bytes(content + whole[len(content) :] if len(content) < len(whole) else content)
    read_or_refused(lambda: use(path), path.stat().st_size)


@given(description=altered(DESCRIPTION))
def test_any_description_is_believed_or_refused(description: dict, sound: Path, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / "described.safetensors"
    path.write_bytes(with_header(sound.read_bytes(), description))
    probabilities = read_or_refused(lambda: use(path), path.stat().st_size)
    if probabilities is not None:
        assert np.isfinite(probabilities).all()
        assert probabilities.shape == (1, 2)
