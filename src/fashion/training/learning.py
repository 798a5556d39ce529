"""Train one system from its settings: seeds, device, precision and phases put together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import environment, pick_device, pick_precision, prepare_to_compute
from fashion.classifier.preparation import Frame, Preparation
from fashion.networks.building import families
from fashion.settings.fields import Views
from fashion.settings.system import System, TrainSettings
from fashion.training.calibration import calibrate
from fashion.training.checkpoint import Checkpoint
from fashion.training.origin import origin
from fashion.training.trainer import Examples, Trainer

LOOKED_AT = 5000  # images, for families whose networks start from what images are like


@dataclass
class Labelled:
    """Images as uint8 of N x H x W and labels as uint8 or uint16 of N."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Callbacks:
    """What a training tells as it goes: see `Trainer`."""

    on_step: Callable[[str, int, int, int], None]
    on_epoch: Callable[[dict], None]


def learn(
    system: System,
    settings: TrainSettings,
    train: Labelled,
    validation: Labelled,
    *,
    classes: list[str],
    callbacks: Callbacks,
    content: int | None = None,
    enlarge: bool = False,
    views: Views = "one",
    checkpoint: Checkpoint | None = None,
) -> tuple[Classifier, list[dict]]:
    """Train `system` and give it with the history, a row for each validation.

    content: pixels a side of the images without their margin, if they have any. enlarge: see `Frame`. views: see
    `FinalModel`. checkpoint: where to keep the state of the training, and to go on from, if given.
    Raises ValueError when the family's layers do not fit the images.
    """
    if len(train.labels) < 2:
        raise ValueError(
            f"at least 2 training images are needed, not {len(train.labels)}; give more, or a smaller share to others"
        )
    prepare_to_compute(settings.threads)
    device = pick_device()
    dtype = pick_precision(settings.precision, device)
    content = content or train.images.shape[-1]
    size = system.input.side(content)
    fill = system.input.size == "auto"
    preparation = Preparation.of(train.images, size=size, scaling=system.input.scaling, content=content, fill=fill)
    # Three independent streams from one seed: weights, then dropout (torch's own), then order.
    weights_seed, dropout_seed, order_seed = np.random.SeedSequence(settings.seed).generate_state(3).tolist()
    torch.manual_seed(weights_seed)
    model = families.build(system.family, system.arguments, image_size=size, num_classes=len(classes))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(model, families.LooksAtImages):
        model.look_at(preparation(torch.tensor(train.images[:LOOKED_AT], device=device)))
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
    state = None
    if checkpoint is not None:
        learned_from = {"train": trainer.train, "validation": trainer.validation}
        state = checkpoint.begin(
            origin(system, settings, learned_from, classes=len(classes), content=content, dtype=dtype, device=device)
        )
        trainer.keep = checkpoint.keep
        if state is not None:
            epochs = sum(settings.max_epochs or phase.max_epochs for phase in system.phases.values())
            checkpoint.say(f"going on after epoch {state['epochs_done']} of {epochs}")
    history = trainer.fit(system.phases, max_epochs=settings.max_epochs, state=state)
    classifier = Classifier(
        model=model,
        family=system.family,
        arguments=system.arguments,
        preparation=preparation,
        frame=Frame(side=train.images.shape[-1], content=content, enlarge=enlarge),
        classes=classes,
        environment=environment(dtype, device),
        views=views,
    )
    calibrate(classifier, validation.images, validation.labels, device)
    return classifier, history


def examples(labelled: Labelled, device: torch.device) -> Examples:
    """Put the images on the device as they are stored, a byte a pixel."""
    return Examples(
        torch.tensor(labelled.images, device=device), torch.tensor(labelled.labels, dtype=torch.int64, device=device)
    )
