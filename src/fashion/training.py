"""The training engine: images stay uint8 in memory, batches are cut by index and converted on the way."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from fashion.device import mixed_precision
from fashion.settings.system import Phase

EVALUATION_BATCH = 1000  # images; no gradients are kept, so memory allows more than in training


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
    on_step: told the name of the phase, the epoch and the number of images done in it, after each batch.
    on_epoch: told the row of the history, after each epoch.
    """

    model: nn.Module
    prepare: Callable[[Tensor], Tensor]
    train: Examples
    validation: Examples
    batch_size: int
    order: torch.Generator
    dtype: torch.dtype
    on_step: Callable[[str, int, int], None]
    on_epoch: Callable[[dict], None]
    history: list[dict] = field(default_factory=list)
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def fit(self, phases: Mapping[str, Phase], *, max_epochs: int | None = None) -> list[dict]:
        """Train phase after phase, each from the best weights so far, and leave the model with the best of all.

        max_epochs: replaces what each phase says, if given.
        Returns the history, a row an epoch. The best is the first epoch of the highest validation accuracy.
        """
        for name, phase in phases.items():
            self.fit_phase(name, phase, epochs=max_epochs or phase.max_epochs)
            self.model.load_state_dict(self.best_weights)
        return self.history

    def fit_phase(self, name: str, phase: Phase, *, epochs: int) -> None:
        """Train for at most so many epochs; stop when `phase.patience` of them brought nothing better."""
        optimizer = make_optimizer(phase, self.model)
        schedule = make_schedule(phase, optimizer, steps=epochs * math.ceil(len(self.train) / self.batch_size))
        waited = 0
        for epoch in range(epochs):
            train = self.train_epoch(name, epoch, optimizer, schedule)
            validation = evaluate(self.model, self.prepare, self.validation, self.dtype)
            if not math.isfinite(train.loss + validation.loss):
                if self.history:
                    break  # what came before is still good
                raise ValueError(f"phases.{name}.lr: with {phase.lr:g} the loss is not finite; take a lower rate")
            row = {
                "phase": name,
                "epoch": len(self.history) + 1,
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

    def train_epoch(self, name: str, epoch: int, optimizer: torch.optim.Optimizer, schedule: LRScheduler) -> Score:
        """Take one pass over the training examples in a new order; the score is the running one, with dropout on."""
        self.model.train()
        device = self.train.images.device
        # Sums stay tensors: reading them in the loop would wait for each batch.
        total_loss = torch.zeros((), device=device)
        total_correct = torch.zeros((), device=device, dtype=torch.int64)
        done = 0
        for images, labels in shuffled_batches(self.train, self.batch_size, self.order):
            with mixed_precision(self.dtype, device):
                logits = self.model(self.prepare(images))
            loss = cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total_loss += loss.detach() * len(labels)
            total_correct += (logits.detach().argmax(1) == labels).sum()
            done += len(labels)
            self.on_step(name, epoch, done)
        return Score(total_loss.item() / done, total_correct.item() / done)


def shuffled_batches(examples: Examples, size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut the examples, in a random order, into batches; the last may be smaller, but is never a single image.

    BatchNorm has no variance of one image, so a remainder of one is left out of this pass.
    """
    permutation = torch.randperm(len(examples), generator=order).to(examples.images.device)
    for indices in permutation.split(size):
        if len(indices) > 1 or size == 1:
            yield examples.images[indices], examples.labels[indices]


@torch.inference_mode()
def evaluate(
    model: nn.Module, prepare: Callable[[Tensor], Tensor], examples: Examples, dtype: torch.dtype = torch.float32
) -> Score:
    """Score the model, with dropout off and BatchNorm's statistics fixed."""
    logits = predict_logits(model, prepare, examples.images, dtype)
    loss = cross_entropy(logits, examples.labels)
    accuracy = (logits.argmax(1) == examples.labels).float().mean()
    return Score(loss.item(), accuracy.item())


@torch.inference_mode()
def predict_logits(
    model: nn.Module, prepare: Callable[[Tensor], Tensor], images: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Compute float32 logits of N x classes for uint8 images of N x H x W, in big batches."""
    model.eval()
    logits = []
    for batch in images.split(EVALUATION_BATCH):
        with mixed_precision(dtype, images.device):
            logits.append(model(prepare(batch)).float())
    return torch.cat(logits)


def make_optimizer(phase: Phase, model: nn.Module) -> torch.optim.Optimizer:
    """Make the phase's optimiser; fused kernels update all weights in one call."""
    if phase.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=phase.lr, weight_decay=phase.weight_decay, fused=True)
    return torch.optim.SGD(
        model.parameters(), lr=phase.lr, momentum=phase.momentum, weight_decay=phase.weight_decay, fused=True
    )


def make_schedule(phase: Phase, optimizer: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """Make what sets the learning rate after each of so many steps."""
    if phase.schedule == "constant":
        return LambdaLR(optimizer, lambda _: 1.0)
    return LambdaLR(optimizer, lambda step: max(1 - step / steps, 0.0))
