"""Train a system: from its settings and arrays of images to a classifier and the history of its training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import configure_torch, environment, select_device, select_dtype
from fashion.classifier.preparation import Frame, Preparation
from fashion.networks.building import factory
from fashion.settings.fields import Views
from fashion.settings.model import System, TrainSettings
from fashion.training.calibration import calibrate
from fashion.training.callbacks import Callback
from fashion.training.checkpoint import Checkpoint, compute_fingerprint
from fashion.training.trainer import Examples, Trainer

INIT_IMAGES = 5000  # training images for networks that are initialised from data


@dataclass
class LabelledImages:
    """Images, uint8 of N x H x W, and labels, uint8 or uint16 of N."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class TrainingData:
    """What a classifier is trained on.

    classes: names, by label. content_side: side of the images without their margin, in pixels; None if they have none.
    enlarge: whether smaller images were enlarged, see `Frame`.
    """

    train: LabelledImages
    validation: LabelledImages
    classes: list[str]
    content_side: int | None = None
    enlarge: bool = False


def train_classifier(
    system: System,
    settings: TrainSettings,
    data: TrainingData,
    *,
    views: Views = "one",
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
) -> tuple[Classifier, list[dict[str, Any]]]:
    """Train `system`; give the classifier, and the history with a row for each validation.

    views: see `FinalModel`. checkpoint: resumes from its state, if there is one, and saves new ones.
    Raises ValueError if the family's layers do not fit the images, or the loss is not finite.

    >>> data = TrainingData(LabelledImages(images, labels), LabelledImages(val_images, val_labels), classes)
    >>> classifier, history = train_classifier(params.variants["base"], params.train, data)
    """
    if len(data.train.labels) < 2:
        raise ValueError(
            f"at least 2 training images are needed, not {len(data.train.labels)}; "
            "give more, or a smaller share to validation and test"
        )
    configure_torch(settings.threads)
    device = select_device()
    dtype = select_dtype(settings.precision, device)
    # Three independent seeds: for the weights, for dropout (torch's own generator), and for the order.
    weights_seed, dropout_seed, order_seed = np.random.SeedSequence(settings.seed).generate_state(3).tolist()
    torch.manual_seed(weights_seed)
    classifier = new_classifier(system, data, views, environment(dtype, device), device)
    torch.manual_seed(dropout_seed)
    trainer = Trainer(
        model=classifier.model,
        prepare=classifier.preparation,
        train=on_device(data.train, device),
        validation=on_device(data.validation, device),
        batch_size=system.batch_size,
        generator=torch.Generator().manual_seed(order_seed),
        dtype=dtype,
        callbacks=[*callbacks, *([checkpoint] if checkpoint else [])],
    )
    state = None
    if checkpoint:
        state = checkpoint.resume(compute_fingerprint(system, settings, classifier, trainer.train, trainer.validation))
        if state:
            epochs = sum(settings.max_epochs or phase.max_epochs for phase in system.phases.values())
            checkpoint.log(f"going on after epoch {state['epochs_done']} of {epochs}")
    history = trainer.fit(system.phases, max_epochs=settings.max_epochs, state=state)
    calibrate(classifier, data.validation.images, data.validation.labels, device)
    return classifier, history


def new_classifier(
    system: System, data: TrainingData, views: Views, environment: dict[str, str], device: torch.device
) -> Classifier:
    """Build the network, with random weights, and fit the scaling of its input to the training images."""
    images, num_classes = data.train.images, len(data.classes)
    content_side = data.content_side or images.shape[-1]
    size = system.input.side(content_side)
    preparation = Preparation.of(
        images, size=size, scaling=system.input.scaling, content_side=content_side, fill=system.input.size == "auto"
    )
    model = factory.build_network(system.family, system.arguments, image_size=size, num_classes=num_classes)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(model, factory.InitFromData):
        model.init_from_data(preparation(torch.tensor(images[:INIT_IMAGES], device=device)))
    return Classifier(
        model=model,
        family=system.family,
        arguments=system.arguments,
        preparation=preparation,
        frame=Frame(side=images.shape[-1], content_side=content_side, enlarge=data.enlarge),
        classes=data.classes,
        environment=environment,
        views=views,
    )


def on_device(part: LabelledImages, device: torch.device) -> Examples:
    """Copy images to the device as they are stored, a byte a pixel."""
    return Examples(
        torch.tensor(part.images, device=device), torch.tensor(part.labels, dtype=torch.int64, device=device)
    )
