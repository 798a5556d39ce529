"""The training engine: images stay uint8 in memory, batches are cut by index and converted on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from fashion.device import mixed_precision
from fashion.pruning import Pruner
from fashion.random_augment import RandomAugmentation
from fashion.settings.system import Phase, Views

TRIANGLE = ((0, 0.23, 1), (0.2, 1, 0.07))  # shares of the budget, and of lr there; as in arXiv 2404.00498
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
        steps = sum(math.ceil(size / self.batch_size) for size in sizes)
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
        """Take one pass over the training examples in a new order; the score is the running one, with dropout on."""
        self.model.train()
        device = self.train.images.device
        # Sums stay tensors: reading them in the loop would wait for each batch.
        total_loss = torch.zeros((), device=device)
        total_correct = torch.zeros((), device=device, dtype=torch.int64)
        done = 0
        order = torch.randperm(len(self.train), generator=self.order)
        weights = torch.ones(0)
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
            if course.pruner:
                losses = cross_entropy(logits.float(), labels, label_smoothing=course.label_smoothing, reduction="none")
                course.pruner.remember(indices, losses)
                loss = (losses * weights[batch].to(device)).mean()
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
            total_correct += (logits.detach().argmax(1) == labels).sum()
            done += len(labels)
            self.on_step(name, epoch, done, len(order))
        if course.augmentation:
            course.augmentation.next_epoch()
        self.epochs_done += 1
        return Score(total_loss.item() / done, total_correct.item() / done)


@dataclass
class Course:
    """What one phase needs beside the network."""

    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    label_smoothing: float = 0.0
    augmentation: RandomAugmentation | None = None
    pruner: Pruner | None = None
    average: "RunningMean | None" = None


class RunningMean:
    """Pull the weights to their own running mean every few batches, ever more as a phase goes on.

    As `Lookahead` in Keller Jordan, arXiv 2404.00498: of the old mean, .95^5 is kept at the end, and little before.
    """

    def __init__(self, model: nn.Module, *, every: int, steps: int) -> None:
        self.every, self.steps, self.done = every, steps, 0
        self.weights = [value for value in model.state_dict().values() if value.is_floating_point()]
        self.means = [value.clone() for value in self.weights]

    def step(self) -> None:
        """Count a batch, and average if it is time."""
        self.done += 1
        if self.done % self.every == 0:
            kept = 0.95**5 * (self.done / self.steps) ** 3
            with torch.no_grad():
                torch._foreach_lerp_(self.means, self.weights, 1 - kept)
                torch._foreach_copy_(self.weights, self.means)


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


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    dtype: torch.dtype = torch.float32,
    views: Views = "one",
) -> Tensor:
    """Compute float32 logits of N x classes for uint8 images of N x H x W, in big batches; the mean over the views."""
    model.eval()
    logits = []
    for batch in images.split(EVALUATION_BATCH):
        seen = [(1.0, batch)] if views == "one" else six_views(batch)
        with mixed_precision(dtype, images.device):
            logits.append(sum(share * model(prepare(view)).float() for share, view in seen))
    return torch.cat(logits)


def six_views(images: Tensor) -> list[tuple[float, Tensor]]:
    """Give images N x H x W as they are, a pixel up and left, and a pixel down and right, each also mirrored.

    Each with its share in the mean, as in arXiv 2404.00498.
    """
    padded = pad(images, (1, 1, 1, 1))
    moved = [(0.5, images), (0.25, padded[:, 2:, 2:]), (0.25, padded[:, :-2, :-2])]
    return [(share / 2, view) for share, plain in moved for view in (plain, plain.flip(2))]


class Adam(torch.optim.Adam):
    """Adam whose step on a CPU goes straight to PyTorch's fused kernel, with the same bits.

    Without what `torch.optim` does beside it, steps of small networks are 1 to 2% faster. `_fused_adam_` is no public
    function: the pinned torch has it.
    """

    def step(self, closure: Any = None) -> Any:
        on_cpu = all(weight.device.type == "cpu" for group in self.param_groups for weight in group["params"])
        if not self.state or closure is not None or not on_cpu:
            return super().step(closure)  # it makes the state, too
        with torch.no_grad():
            for group in self.param_groups:
                weights = [weight for weight in group["params"] if weight.grad is not None]
                states = [self.state[weight] for weight in weights]
                steps = [state["step"] for state in states]
                torch._foreach_add_(steps, 1)
                torch._fused_adam_(
                    weights,
                    [weight.grad for weight in weights],
                    [state["exp_avg"] for state in states],
                    [state["exp_avg_sq"] for state in states],
                    [],
                    steps,
                    lr=group["lr"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=False,
                    maximize=False,
                )
        return None


def make_optimizer(phase: Phase, model: nn.Module) -> torch.optim.Optimizer:
    """Make the phase's optimiser; fused kernels update all weights in one call."""
    lr, decay, times = phase.lr, phase.weight_decay, phase.bias_rate
    weights = [parameter for parameter in model.parameters() if times == 1 or parameter.ndim > 1]
    biases = [parameter for parameter in model.parameters() if times != 1 and parameter.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": weights}]
    if biases:
        groups.append({"params": biases, "lr": lr * times, "weight_decay": decay / times})
    if phase.optimizer == "adam":
        return Adam(groups, lr=lr, weight_decay=decay, fused=True)
    return torch.optim.SGD(
        groups, lr=lr, momentum=phase.momentum, weight_decay=decay, nesterov=phase.nesterov, fused=True
    )


def make_schedule(phase: Phase, optimizer: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """Make what sets the learning rate after each of so many steps."""
    shares: dict[str, Callable[[int], float]] = {
        "constant": lambda _: 1.0,
        "linear": lambda step: max(1 - step / steps, 0.0),
        "triangle": lambda step: float(np.interp(step / steps, *TRIANGLE)),
    }
    return LambdaLR(optimizer, shares[phase.schedule])
