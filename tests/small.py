"""A small system, and what tests of the training do with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.preparation import Preparation
from fashion.settings.model import System, TrainSettings
from fashion.training.callbacks import Callback
from fashion.training.train import TrainingData, train_classifier
from fashion.training.trainer import Examples, Trainer

CLASSES = [str(number) for number in range(10)]


def make_system(**changes: object) -> System:
    small = {
        "family": "cnn",
        "arguments": {"channels": [8], "kernels": [3], "dropout": 0.2, "hidden": [16]},
        "images": "split",
        "input": {"size": 28, "scaling": "unit"},
        "batch_size": 32,
        "phases": {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 3}},
    }
    return System.model_validate({**small, **changes})


def make_settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"max_epochs": None, "threads": 1, "precision": "fp32", "seed": 0, **changes})


def fit(data: TrainingData, system: System, settings: TrainSettings) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Train a system; give its weights and its history."""
    classifier, history = train_classifier(system, settings, data)
    return classifier.model.state_dict(), history


def make_trainer(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 64,
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Make a trainer that validates on its training images."""
    examples = Examples(torch.tensor(images), torch.tensor(labels, dtype=torch.int64))
    return Trainer(
        model=model,
        prepare=Preparation(size=28, mean=0.0, std=255.0),
        train=examples,
        validation=examples,
        batch_size=batch_size,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float32,
        callbacks=callbacks,
    )
