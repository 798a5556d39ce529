"""The training engine: images stay uint8 in memory, batches are cut by index and converted on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LRScheduler

from fashion.classifier.device import mixed_precision
from fashion.classifier.prediction import predict_logits
from fashion.images.random_changes import RandomAugmentation
from fashion.settings.system import Phase
from fashion.training.optimizers import RunningMean, make_optimizer, make_schedule
from fashion.training.pruning import Pruner


@dataclass
class Examples:
    """Labelled images: uint8 of N x H x W and int64 of N, on the device that computes."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Score:
    """Mean loss and accuracy over a set of examples."""

    loss: float
    accuracy: float


@dataclass
class Trainer:
    """Everything a training needs beside its phases.

    prepare: turns uint8 images into the network's input.
    order: draws the order of the batches.
    on_step: told the name of the phase, the epoch, how many images are done in it and of how many, after each batch.
    on_epoch: told the row of the history, after each validation.
    """

    model: nn.Module
    prepare: Callable[[Tensor], Tensor]
    train: Examples
    validation: Examples
    batch_size: int
    order: torch.Generator
    dtype: torch.dtype
    on_step: Callable[[str, int, int, int], None]
    on_epoch: Callable[[dict], None]
    history: list[dict] = field(default_factory=list)
    epochs_done: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def fit(self, phases: Mapping[str, Phase], *, max_epochs: int | None = None) -> list[dict]:
        """Train phase after phase, each from the best weights so far, and leave the model with the best of all.

        max_epochs: replaces what each phase says, if given.
        Returns the history, a row for each validation. The best is the first epoch of the highest validation accuracy.
        """
        for name, phase in phases.items():
            self.fit_phase(name, phase, epochs=max_epochs or phase.max_epochs)
            self.model.load_state_dict(self.best_weights)
        return self.history

    def fit_phase(self, name: str, phase: Phase, *, epochs: int) -> None:
        """Train for at most so many epochs; stop when `phase.patience` validations brought nothing better."""
        course = self.start(phase, epochs)
        waited = 0
        for epoch in range(epochs):
            train = self.train_epoch(name, epoch, course)
            if (epoch + 1) % phase.validate_every and epoch + 1 < epochs:
                continue
            validation = evaluate(self.model, self.prepare, self.validation, self.dtype)
            if not math.isfinite(train.loss + validation.loss):
                if self.history:
                    break  # what came before is still good
                raise ValueError(f"phases.{name}.lr: with {phase.lr:g} the loss is not finite; take a lower rate")
            row = {
                "phase": name,
                "epoch": self.epochs_done,
                "train_loss": train.loss,
                "train_accuracy": train.accuracy,
                "val_loss": validation.loss,
                "val_accuracy": validation.accuracy,
            }
            self.history.append(row)
            self.on_epoch(row)
            if validation.accuracy > self.best_accuracy:
                self.best_accuracy = validation.accuracy
                self.best_weights = {key: value.clone() for key, value in self.model.state_dict().items()}
                waited = 0
            else:
                waited += 1
                if phase.patience is not None and waited >= phase.patience:
                    break

    def start(self, phase: Phase, epochs: int) -> "Course":
        """Make what a phase of so many epochs needs beside the network."""
        examples = len(self.train)
        device = self.train.labels.device
        pruner = Pruner(phase.pruning, examples, epochs, self.order, device) if phase.pruning else None
        sizes = [pruner.size(epoch) if pruner else examples for epoch in range(epochs)]
        steps = sum(len(batches(size, self.batch_size)) for size in sizes)
        optimizer = make_optimizer(phase, self.model)
        return Course(
            optimizer=optimizer,
            schedule=make_schedule(phase, optimizer, steps=steps),
            label_smoothing=phase.label_smoothing,
            augmentation=RandomAugmentation(phase.augmentation, examples, self.order) if phase.augmentation else None,
            pruner=pruner,
            average=RunningMean(self.model, every=phase.average, steps=steps) if phase.average else None,
        )

    def train_epoch(self, name: str, epoch: int, course: "Course") -> Score:
        """Take one pass over the training examples in a new order; the score is the running one, with dropout on.

        Where examples are pruned, those that stay count for those left out, so that it is of all.
        """
        self.model.train()
        device = self.train.images.device
        # Sums stay tensors: reading them in the loop would wait for each batch.
        total_loss = torch.zeros((), device=device)
        total_correct = torch.zeros((), device=device)
        total_weight = torch.zeros((), device=device)
        done = 0
        order = torch.randperm(len(self.train), generator=self.order)
        weights = torch.ones(len(order))
        if course.pruner:
            order, weights = course.pruner.choose(epoch, order)
        for batch in batches(len(order), self.batch_size):
            indices = order[batch]
            there = indices.to(device)
            images, labels = self.train.images.index_select(0, there), self.train.labels.index_select(0, there)
            if course.augmentation:
                images = course.augmentation(images, indices)
            with mixed_precision(self.dtype, device):
                logits = self.model(self.prepare(images))
            counts = weights[batch].to(device)
            if course.pruner:
                losses = cross_entropy(logits.float(), labels, label_smoothing=course.label_smoothing, reduction="none")
                course.pruner.remember(indices, losses)
                loss = (losses * counts).mean()
            else:
                loss = cross_entropy(logits.float(), labels, label_smoothing=course.label_smoothing)
            loss.backward()
            course.optimizer.step()
            course.schedule.step()
            for weight in self.model.parameters():
                weight.grad = None
            if course.average:
                course.average.step()
            total_loss += loss.detach() * len(labels)
            total_correct += counts[logits.detach().argmax(1) == labels].sum()
            total_weight += counts.sum()
            done += len(labels)
            self.on_step(name, epoch, done, len(order))
        if course.augmentation:
            course.augmentation.next_epoch()
        self.epochs_done += 1
        return Score(total_loss.item() / total_weight.item(), total_correct.item() / total_weight.item())


@dataclass
class Course:
    """What one phase needs beside the network."""

    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    label_smoothing: float = 0.0
    augmentation: RandomAugmentation | None = None
    pruner: Pruner | None = None
    average: RunningMean | None = None


def batches(examples: int, size: int) -> list[slice]:
    """Cut so many examples into batches; the last may be smaller, but is never a single one.

    BatchNorm has no variance of one image, so a remainder of one is left out.
    """
    starts = range(0, examples, size)
    return [slice(start, start + size) for start in starts if min(size, examples - start) > 1 or size == 1]


@torch.inference_mode()
def evaluate(
    model: nn.Module, prepare: Callable[[Tensor], Tensor], examples: Examples, dtype: torch.dtype = torch.float32
) -> Score:
    """Score the model, with dropout off and BatchNorm's statistics fixed."""
    logits = predict_logits(model, prepare, examples.images, dtype)
    loss = cross_entropy(logits, examples.labels)
    accuracy = (logits.argmax(1) == examples.labels).float().mean()
    return Score(loss.item(), accuracy.item())
