"""A small system, and what tests of the training do with it."""

import numpy as np
import torch
from torch import nn

from fashion.classifier.preparation import Preparation
from fashion.settings.system import System, TrainSettings
from fashion.training.learning import Callbacks, Labelled, learn
from fashion.training.trainer import Examples, Trainer

CLASSES = [str(number) for number in range(10)]


def system(**changes: object) -> System:
    small = {
        "family": "cnn",
        "arguments": {"channels": [8], "kernels": [3], "dropout": 0.2, "hidden": [16]},
        "images": "split",
        "input": {"size": 28, "scaling": "unit"},
        "batch_size": 32,
        "phases": {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 3}},
    }
    return System.model_validate({**small, **changes})


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"max_epochs": None, "threads": 1, "precision": "fp32", "seed": 0, **changes})


def quiet() -> Callbacks:
    return Callbacks(lambda *_: None, lambda _: None)


def fit(train: Labelled, validation: Labelled, what: System, how: TrainSettings) -> tuple[dict, list[dict]]:
    classifier, history = learn(what, how, train, validation, classes=CLASSES, callbacks=quiet())
    return classifier.model.state_dict(), history


def trainer(model: nn.Module, images: np.ndarray, labels: np.ndarray, batch_size: int = 64) -> Trainer:
    examples = Examples(torch.tensor(images), torch.tensor(labels, dtype=torch.int64))
    return Trainer(
        model=model,
        prepare=Preparation(size=28, mean=0.0, std=255.0),
        train=examples,
        validation=examples,
        batch_size=batch_size,
        order=torch.Generator().manual_seed(0),
        dtype=torch.float32,
        on_step=lambda *_: None,
        on_epoch=lambda _: None,
    )
