"""Colour images, a small system, and what tests of the training do with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.settings.model import System, TrainSettings
from fashion.training.callbacks import Callback
from fashion.training.train import TrainingData, train_classifier, whole_frame
from fashion.training.trainer import Examples, Trainer

CLASSES = [str(number) for number in range(10)]


def colour_tiles(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut photographs of a temple and a flower into tiles: uint8 of N x 3 x height x width, and their labels, 0 or 1.

    The labels alternate.
    """
    images, labels = [], []
    photographs = load_sample_images().images
    for top in range(0, photographs[0].shape[0] - height + 1, height):
        for left in range(0, photographs[0].shape[1] - width + 1, width):
            for label, photograph in enumerate(photographs):
                images.append(photograph[top : top + height, left : left + width].transpose(2, 0, 1))
                labels.append(label)
    return np.stack(images), np.array(labels, np.uint8)


def make_system(**changes: object) -> System:
    small = {
        "family": "cnn",
        "arguments": {"channels": [8], "kernels": [3], "dropout": 0.2, "hidden": [16]},
        "image_folder": "split",
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
        prepare=Preparation(size=[28, 28], mean=[0.0], std=[255.0]),
        train=examples,
        validation=examples,
        batch_size=batch_size,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float32,
        callbacks=callbacks,
    )


def make_classifier(images: np.ndarray) -> Classifier:
    """Make a classifier of two classes, with random weights, for images of this shape."""
    _, channels, height, width = images.shape
    arguments = {"channels": [4], "kernels": [3], "hidden": []}
    return Classifier(
        model=factory.build_network("cnn", arguments, image_shape=(channels, height, width), num_classes=2),
        family="cnn",
        arguments=arguments,
        preparation=Preparation(size=[height, width], mean=[0.0] * channels, std=[255.0] * channels),
        frame=whole_frame(images),
        classes=["temple", "flower"],
        environment={"precision": "fp32"},
    )
