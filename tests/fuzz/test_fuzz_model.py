"""Model files that are damaged, and model files with any description."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from tqdm import tqdm

from fashion.classifier.classifier import Classifier
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import load, save
from fashion.classifier.preparation import Preparation
from fashion.inference.predict import predict
from fashion.networks.building import factory
from fashion.settings.frame import Frame
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
    "frame": {
        "channels": 3,
        "height": 14,
        "width": 16,
        "content_height": 12,
        "content_width": 16,
        "enlarge": False,
        "background": [255, 0, 20],
        "levels": [0, 4095],
    },
    "classes": ["cat", "dog"],
    "environment": {"torch": "2", "precision": "fp32"},
    "test_time_augmentation": "shift_and_flip",
}
FITTED: dict[str, Any] = {
    "preparation": {"size": [12, 16], "mean": [72.9, 80.0, 3.0], "std": [90.0, 70.0, 1.0], "content_size": [12, 16]},
    "temperature": 1.5,
    "threshold": 1.0,
}
IMAGE = np.arange(576).astype(np.uint8).reshape(1, 3, 12, 16)


@pytest.fixture(scope="module")
def valid_file(place: Path) -> Path:
    torch.manual_seed(0)
    preparation, frame = Preparation(**FITTED["preparation"]), Frame(**DESCRIPTION["frame"])
    fields = DESCRIPTION | FITTED | {"preparation": preparation, "frame": frame}
    model = factory.build_network("cnn", ARGUMENTS, image_shape=(3, 12, 16), num_classes=2)
    save(Ensemble([Classifier(model=model, **fields)]), place / "valid.safetensors")
    for precision in ("bf16", "fp32"):  # the first use of each compiles kernels, which takes seconds
        fields["environment"] = {"precision": precision}
        predict(IMAGE, Ensemble([Classifier(model=model, **fields)]))
    return place / "valid.safetensors"


def load_and_predict(path: Path) -> np.ndarray:
    return predict(IMAGE, load(path)).probabilities


def replace_description(content: bytes, description: Any) -> bytes:
    """Give the bytes of a model file with another description."""
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    header["__metadata__"]["fashion"] = json.dumps(description)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[length:]


@given(content=damaged([b"\0" * 100]))
def test_any_model_file_is_read_or_refused(content: bytes, valid_file: Path, place: Path, bar: tqdm) -> None:
    bar.update()
    valid, path = valid_file.read_bytes(), place / "damaged.safetensors"
    # The damaged bytes replace the head of the file, since the whole file is too long for a strategy.
    path.write_bytes(content + valid[len(content) :] if len(content) < len(valid) else content)
    read_or_refused(lambda: load_and_predict(path), path.stat().st_size)


@given(description=altered(DESCRIPTION | {"members": [FITTED]}))
def test_any_description_is_read_or_refused(description: dict, valid_file: Path, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / "changed.safetensors"
    path.write_bytes(replace_description(valid_file.read_bytes(), description))
    probabilities = read_or_refused(lambda: load_and_predict(path), path.stat().st_size)
    if probabilities is not None:
        assert np.isfinite(probabilities).all()
        assert probabilities.shape == (1, 2)
