"""The training engine: images stay uint8 in memory, batches are cut by index and converted on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fashion.classifier.device import mixed_precision
from fashion.classifier.prediction import predict_logits
from fashion.settings.system import Phase
from fashion.training.chance import random_states, set_random_states
from fashion.training.course import Course, batches

KEPT = ("history", "epochs_done", "best_accuracy", "best_weights")  # of a `Trainer`, beside what has a state of its own


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
    keep: told the state of it all after each epoch, to write it down if it likes; tensors in it change later.
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
    keep: Callable[[dict[str, Any]], None] = lambda _: None
    history: list[dict] = field(default_factory=list)
    epochs_done: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def fit(
        self, phases: Mapping[str, Phase], *, max_epochs: int | None = None, state: dict[str, Any] | None = None
    ) -> list[dict]:
        """Train phase after phase, each from the best weights so far, and leave the model with the best of all.

        max_epochs: replaces what each phase says, if given. state: as kept by a training of the same settings and
        images, to go on from.
        Returns the history, a row for each validation. The best is the first epoch of the highest validation accuracy.
        """
        for name, phase in phases.items():
            if state and name != state["phase"]:
                continue  # it was over by then
            course = self.start(phase, max_epochs or phase.max_epochs)
            if state:
                self.load_state_dict(state, course)
                state = None
            self.fit_phase(name, phase, course)
            self.model.load_state_dict(self.best_weights)
        return self.history

    def fit_phase(self, name: str, phase: Phase, course: Course) -> None:
        """Train until the phase's epochs are done, or `phase.patience` validations brought nothing better."""
        while not course.over():
            train = self.train_epoch(name, course.done, course)
            course.done += 1
            if course.done % phase.validate_every == 0 or course.done == course.epochs:
                validation = evaluate(self.model, self.prepare, self.validation, self.dtype)
                if not math.isfinite(train.loss + validation.loss):
                    if self.history:
                        break  # what came before is still good
                    raise ValueError(f"phases.{name}.lr: with {phase.lr:g} the loss is not finite; take a lower rate")
                self.note(name, train, validation, course)
            self.keep(self.state_dict(name, course))

    def note(self, name: str, train: Score, validation: Score, course: Course) -> None:
        """Add a row to the history, and keep the weights if they are the best so far."""
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
            course.waited = 0
        else:
            course.waited += 1

    def state_dict(self, phase: str, course: Course) -> dict[str, Any]:
        """Give all that decides how the training goes on, in nested dicts and lists."""
        kept = {key: getattr(self, key) for key in KEPT}
        chance = random_states(self.order, self.train.images.device)
        return {**kept, "model": self.model.state_dict(), "phase": phase, "course": course.state_dict(), **chance}

    def load_state_dict(self, state: dict[str, Any], course: Course) -> None:
        for key in KEPT:
            setattr(self, key, state[key])
        self.model.load_state_dict(state["model"])
        course.load_state_dict(state["course"])
        set_random_states(state, self.order, self.train.images.device)

    def start(self, phase: Phase, epochs: int) -> Course:
        """Make what a phase of so many epochs needs beside the network."""
        device = self.train.images.device
        return Course.of(phase, self.model, len(self.train), epochs, self.batch_size, self.order, device)

    def train_epoch(self, name: str, epoch: int, course: Course) -> Score:
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


@torch.inference_mode()
def evaluate(
    model: nn.Module, prepare: Callable[[Tensor], Tensor], examples: Examples, dtype: torch.dtype = torch.float32
) -> Score:
    """Score the model, with dropout off and BatchNorm's statistics fixed."""
    logits = predict_logits(model, prepare, examples.images, dtype)
    loss = cross_entropy(logits, examples.labels)
    accuracy = (logits.argmax(1) == examples.labels).float().mean()
    return Score(loss.item(), accuracy.item())
