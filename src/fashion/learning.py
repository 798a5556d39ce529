"""Train one system from its settings: seeds, device, precision and phases put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fashion import families
from fashion.checkpoint import Classifier
from fashion.device import environment, pick_device, pick_precision, prepare_to_compute
from fashion.inputs import Preparation
from fashion.settings.system import System, TrainSettings
from fashion.training import Examples, Trainer


@dataclass
class Labelled:
    """Images as uint8 of N x H x W and labels as uint8 of N."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Callbacks:
    """What a training tells as it goes: see `Trainer`."""

    on_step: Callable[[str, int, int], None]
    on_epoch: Callable[[dict], None]


def learn(
    system: System,
    settings: TrainSettings,
    train: Labelled,
    validation: Labelled,
    *,
    classes: list[str],
    callbacks: Callbacks,
    arguments: dict[str, Any] | None = None,
) -> tuple[Classifier, list[dict]]:
    """Train `system` and give it with the history, a row an epoch.

    arguments: of the family, where they are more than `system.arguments`.
    Raises ValueError when the family's layers do not fit the images.
    """
    prepare_to_compute(settings.threads)
    device = pick_device()
    dtype = pick_precision(settings.precision, device)
    preparation = Preparation.of(system.input, train.images)
    # Three independent streams from one seed: weights, then dropout (torch's own), then order.
    weights_seed, dropout_seed, order_seed = np.random.SeedSequence(settings.seed).generate_state(3).tolist()
    torch.manual_seed(weights_seed)
    arguments = arguments if arguments is not None else system.arguments
    model = families.build(system.family, arguments, image_size=system.input.size, num_classes=len(classes))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(dropout_seed)
    trainer = Trainer(
        model=model,
        prepare=preparation,
        train=examples(train, device),
        validation=examples(validation, device),
        batch_size=system.batch_size,
        order=torch.Generator().manual_seed(order_seed),
        dtype=dtype,
        on_step=callbacks.on_step,
        on_epoch=callbacks.on_epoch,
    )
    history = trainer.fit(system.phases, max_epochs=settings.max_epochs)
    classifier = Classifier(model, system.family, arguments, preparation, classes, environment(dtype, device))
    return classifier, history


def examples(labelled: Labelled, device: torch.device) -> Examples:
    """Put the images on the device as they are stored, a byte a pixel."""
    return Examples(
        torch.tensor(labelled.images, device=device), torch.tensor(labelled.labels, dtype=torch.int64, device=device)
    )
