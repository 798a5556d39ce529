"""Train a system: from its settings and arrays of images to a classifier and the history of its training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import configure_torch, environment, move_model, select_device, select_dtype
from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.networks.building.factory import head_of
from fashion.settings.fields import LARGEST_SIDE, TestTimeAugmentation
from fashion.settings.frame import MIN_SIDE, Frame
from fashion.settings.model import ClassWeights, System, TrainSettings
from fashion.training.calibration import calibrate
from fashion.training.callbacks import Callback
from fashion.training.checkpoint import Checkpoint, compute_fingerprint
from fashion.training.trainer import Examples, Trainer

INIT_PIXELS = 5_120_000  # of training images for networks that are initialised from data: 5,000 images of 32 x 32


@dataclass
class LabelledImages:
    """Images, uint8 of N x C x H x W, or their features, float32 of N x features; labels, uint8 or uint16 of N."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class TrainingData:
    """What a classifier is trained on.

    validation: None to choose nothing: then training ends with the last weights, and no confidence is calibrated.
    classes: names, by label. frame: what the images were fitted to; None if they fill their arrays and have a black
    background. calibration: images to calibrate the confidence on; None takes the validation images.
    """

    train: LabelledImages
    validation: LabelledImages | None
    classes: list[str]
    frame: Frame | None = None
    calibration: LabelledImages | None = None


def train_classifier(
    system: System,
    settings: TrainSettings,
    data: TrainingData,
    *,
    test_time_augmentation: TestTimeAugmentation = "none",
    member: int = 0,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
) -> tuple[Classifier, list[dict[str, Any]]]:
    """Train `system`; give the classifier, and the history with a row for each validation.

    test_time_augmentation: see `FinalModel`. member: number of the classifier in an ensemble; each draws from seeds of
    its own. checkpoint: resumes from its state, if there is one, and saves new ones.
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
    spawn_key = (member,) if member else ()
    # Three independent seeds: for the weights, for dropout (torch's own generator), and for the order.
    weights_seed, dropout_seed, order_seed = (
        np.random.SeedSequence(settings.seed, spawn_key=spawn_key).generate_state(3).tolist()
    )
    torch.manual_seed(weights_seed)
    classifier = new_classifier(system, data, test_time_augmentation, environment(dtype, device), device)
    torch.manual_seed(dropout_seed)
    features = data.train.images.ndim == 2
    trainer = Trainer(
        model=head_of(classifier.model) if features else classifier.model,
        prepare=torch.Tensor.float if features else classifier.preparation,
        train=on_device(data.train, device),
        validation=on_device(data.validation, device) if data.validation else None,
        batch_size=system.batch_size,
        generator=torch.Generator().manual_seed(order_seed),
        dtype=dtype,
        background=classifier.frame.background,
        class_weights=factors(settings.class_weights, data, device),
        choose_by=settings.choose_by,
        callbacks=[*callbacks, *([checkpoint] if checkpoint else [])],
    )
    state = None
    if checkpoint:
        state = checkpoint.resume(compute_fingerprint(system, settings, classifier, trainer.train, trainer.validation))
        if state:
            epochs = sum(settings.max_epochs or phase.max_epochs for phase in system.phases.values())
            checkpoint.log(f"going on after epoch {state['epochs_done']} of {epochs}")
    history = trainer.fit(system.phases, max_epochs=settings.max_epochs, state=state)
    calibration = data.calibration or data.validation
    if calibration:
        calibrate(classifier, classifier.logits(calibration.images, device), calibration.labels)
    return classifier, history


def factors(settings: ClassWeights, data: TrainingData, device: torch.device) -> torch.Tensor | None:
    """Compute the factor of the loss for each class, float32, with a mean of 1 over the training images."""
    if settings == "none":
        return None
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    if settings == "balanced":
        weights = 1 / np.maximum(counts, 1)
    else:
        weights = np.array([settings.get(name, 1.0) for name in data.classes])
    weights = weights * counts.sum() / (weights * counts).sum()
    return torch.tensor(weights, dtype=torch.float32, device=device)


def new_classifier(
    system: System,
    data: TrainingData,
    test_time_augmentation: TestTimeAugmentation,
    environment: dict[str, str],
    device: torch.device,
) -> Classifier:
    """Build the network, with random weights, and fit the scaling of its input to the training images."""
    images, num_classes = data.train.images, len(data.classes)
    frame = data.frame or whole_frame(images)
    size = system.input.input_size(*frame.input_part())
    if max(size) > LARGEST_SIDE:
        raise ValueError(
            f"images of {frame.height}x{frame.width} pixels would be enlarged to {size[0]}x{size[1]}; give both sides "
            f"of ingest.image_size at least {MIN_SIDE} pixels"
        )
    preparation = Preparation.of(
        images, frame, size=size, scaling=system.input.scaling, fill=system.input.size == "auto"
    )
    model = factory.build_network(
        system.family, system.arguments, image_shape=(frame.channels, *size), num_classes=num_classes
    )
    move_model(model, device)
    if isinstance(model, factory.Pretrained):
        model.load_pretrained(system.arguments)
    if isinstance(head := head_of(model), factory.Remembers):
        if images.ndim != 2:
            raise ValueError("nearest neighbours need features of the images; set image_folder to embedded/NAME")
        train = on_device(data.train, device)
        head.remember(train.images, train.labels)
    if isinstance(model, factory.InitFromData):
        step = math.ceil(len(images) * images[0, 0].size / INIT_PIXELS)  # images may be in the order of their classes
        model.init_from_data(preparation(torch.tensor(images[::step], device=device)))
    return Classifier(
        model=model,
        family=system.family,
        arguments=system.arguments,
        preparation=preparation,
        frame=frame,
        classes=data.classes,
        environment=environment,
        test_time_augmentation=test_time_augmentation,
    )


def whole_frame(images: np.ndarray) -> Frame:
    """Give the frame of images that fill their arrays, on black."""
    channels, height, width = images.shape[1:]
    return Frame(
        channels=channels,
        height=height,
        width=width,
        content_height=height,
        content_width=width,
        enlarge=False,
        background=[0] * channels,
    )


def on_device(part: LabelledImages, device: torch.device) -> Examples:
    """Copy images to the device as they are stored, a byte a pixel."""
    return Examples(
        torch.tensor(part.images, device=device), torch.tensor(part.labels, dtype=torch.int64, device=device)
    )
