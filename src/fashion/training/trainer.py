"""Train a network phase by phase, validate it, and keep the best weights.

Images stay uint8 in memory, are cut into batches by index, and are converted batch by batch.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fashion.classifier.device import mixed_precision
from fashion.classifier.prediction import predict_logits
from fashion.networks.building.factory import head_of
from fashion.settings.model import ChooseBy, Phase
from fashion.training.callbacks import Callback
from fashion.training.phase_state import PhaseState, batches

SAVED = ("history", "epochs_done", "best_score", "best_weights")  # fields of a `Trainer` in its state


@dataclass
class Examples:
    """Images, uint8 of N x C x H x W, and labels, int64 of N, on the device that computes."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Score:
    """Mean loss and accuracy over a set of examples; and, of a validation, the mean of the recalls of the classes."""

    loss: float
    accuracy: float
    balanced_accuracy: float | None = None


def rank(row: Mapping[str, Any], choose_by: ChooseBy) -> list[float]:
    """Give what the rows of a history are compared by: the higher is the better; of equals the one with less loss."""
    main = -row["val_loss"] if choose_by == "loss" else row[f"val_{choose_by}"]
    return [main, -row["val_loss"]]


@dataclass
class Trainer:
    """Train a network phase by phase.

    prepare: turns uint8 images into the network's input.
    validation: None if nothing is chosen; then a phase ends with its last weights, and its history has no such columns.
    generator: on the CPU, draws the order of the examples and all augmentations.
    background: of the images, a level for each channel.
    class_weights: factors of the losses, float32 of the number of classes; None for 1.
    history, epochs_done, best_score, best_weights: the state of the training, changed by `fit`.

    >>> trainer = Trainer(model, preparation, train, validation, 64, torch.Generator(), torch.float32)
    >>> history = trainer.fit({"adam": Phase(optimizer="adam", lr=1e-3, max_epochs=5)})
    """

    model: nn.Module
    prepare: Callable[[Tensor], Tensor]
    train: Examples
    validation: Examples | None
    batch_size: int
    generator: torch.Generator
    dtype: torch.dtype
    callbacks: Sequence[Callback] = ()
    background: Sequence[int] = (0,)
    class_weights: Tensor | None = None
    choose_by: ChooseBy = "accuracy"
    history: list[dict[str, Any]] = field(default_factory=list, init=False)
    epochs_done: int = field(default=0, init=False)
    best_score: list[float] = field(default_factory=lambda: [-math.inf, 0.0], init=False)  # see `rank`
    best_weights: dict[str, Tensor] = field(default_factory=dict, init=False)

    def fit(
        self, phases: Mapping[str, Phase], *, max_epochs: int | None = None, state: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Train each phase from the best weights so far; the model ends with the best weights of all.

        max_epochs: number of epochs of each phase, in place of its own. state: saved by a training with the same
        settings and images, to resume from.
        Returns the history, a row for each validation; `best` tells if it is the best so far. The best has the highest
        validation accuracy, or what `choose_by` names, and of equals the lowest loss.
        """
        if not phases:
            self.finish_untrained()
        for name, phase in phases.items():
            if state and name != state["phase"]:
                continue  # it was finished before
            phase_state = self.new_phase_state(phase, max_epochs or phase.max_epochs)
            if state:
                self.load_state_dict(state, phase_state)
                state = None
            with frozen(self.model) if phase.freeze else contextlib.nullcontext():
                self.fit_phase(name, phase, phase_state)
            self.model.load_state_dict(self.best_weights)
        if phases:
            for callback in self.callbacks:
                callback.on_end(self.state_dict(name, phase_state))
        return self.history

    def finish_untrained(self) -> None:
        """Score a network of which nothing is trained, as if it were a phase without epochs."""
        if self.validation:
            self.record("none", self.score(self.train), self.score(self.validation))

    def new_phase_state(self, phase: Phase, max_epochs: int) -> PhaseState:
        """Make the state at the start of a phase."""
        device = self.train.images.device
        return PhaseState.of(
            phase, self.model, len(self.train), max_epochs, self.batch_size, self.generator, device, self.background
        )

    def fit_phase(self, name: str, phase: Phase, phase_state: PhaseState) -> None:
        """Train one phase to its end.

        If the loss is not finite at a validation, the phase ends; ValueError if it is the first validation of all.
        """
        while not phase_state.finished():
            train = self.train_epoch(name, phase_state)
            epochs = phase_state.epochs_done
            if epochs % phase.validate_every == 0 or epochs == phase_state.max_epochs:
                with phase_state.average.applied() if phase_state.average else contextlib.nullcontext():
                    validation = self.score(self.validation) if self.validation else train
                    if not math.isfinite(train.loss + validation.loss):
                        if self.best_weights:
                            break  # the best weights so far are still good
                        raise ValueError(
                            f"phases.{name}.lr: with {phase.lr:g} the loss is not finite; take a lower rate"
                        )
                    if self.validation:
                        better = self.record(name, train, validation)
                        phase_state.bad_validations = 0 if better else phase_state.bad_validations + 1
                    else:
                        self.best_weights = self.current_weights()
            if self.callbacks:
                state = self.state_dict(name, phase_state)
                for callback in self.callbacks:
                    callback.on_epoch(state)

    def train_epoch(self, name: str, phase_state: PhaseState) -> Score:
        """Train one epoch in a new order; the score is the mean over the epoch, with dropout on.

        If examples are pruned, the weights of the others make them stand for all.
        """
        if phase_state.freeze:
            self.model.eval()
            head_of(self.model).train()
        else:
            self.model.train()
        device = self.train.images.device
        # Sums stay tensors: reading them in the loop would wait for each batch.
        total_loss = torch.zeros((), device=device)
        total_correct = torch.zeros((), device=device)
        total_weight = torch.zeros((), device=device)
        done = 0
        order = torch.randperm(len(self.train), generator=self.generator)
        weights = torch.ones(len(order))
        if phase_state.pruner:
            order, weights = phase_state.pruner.choose(phase_state.epochs_done, order)
        device_order, weights = order.to(device), weights.to(device)  # once: in the loop, a copy would wait for a batch
        for batch in batches(len(order), self.batch_size):
            device_indices = device_order[batch]
            images = self.train.images.index_select(0, device_indices)
            labels = self.train.labels.index_select(0, device_indices)
            if phase_state.augmentation:
                images = phase_state.augmentation(images, order[batch])
            with mixed_precision(self.dtype, device):
                logits = self.model(self.prepare(images)).float()
            batch_weights = weights[batch]
            if phase_state.pruner or self.class_weights is not None:
                losses = cross_entropy(logits, labels, label_smoothing=phase_state.label_smoothing, reduction="none")
                if self.class_weights is not None:
                    losses = losses * self.class_weights[labels]
                if phase_state.pruner:
                    phase_state.pruner.record_losses(device_indices, losses)
                loss = (losses * batch_weights).mean()
            else:
                loss = cross_entropy(logits, labels, label_smoothing=phase_state.label_smoothing)
            loss.backward()
            if phase_state.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), phase_state.clip_norm)
            phase_state.optimizer.step()
            phase_state.schedule.step()
            self.model.zero_grad()
            for average in (phase_state.lookahead, phase_state.average):
                if average:
                    average.step()
            total_loss += loss.detach() * len(labels)
            total_correct += (batch_weights * (logits.detach().argmax(1) == labels)).sum()
            total_weight += batch_weights.sum()
            done += len(labels)
            for callback in self.callbacks:
                callback.on_batch(name, phase_state.epochs_done, done, len(order))
        if phase_state.augmentation:
            phase_state.augmentation.next_epoch()
        phase_state.epochs_done += 1
        self.epochs_done += 1
        return Score(total_loss.item() / total_weight.item(), total_correct.item() / total_weight.item())

    def record(self, name: str, train: Score, validation: Score) -> bool:
        """Add a row to the history, and keep the weights if they are the best so far; tell whether they are."""
        row = {
            "phase": name,
            "epoch": self.epochs_done,
            "train_loss": train.loss,
            "train_accuracy": train.accuracy,
            "val_loss": validation.loss,
            "val_accuracy": validation.accuracy,
            "val_balanced_accuracy": validation.balanced_accuracy,
        }
        score, best = rank(row, self.choose_by), self.best_score
        row["best"] = score > best
        self.history.append(row)
        for callback in self.callbacks:
            callback.on_validation(row)
        if row["best"]:
            self.best_score = score
            self.best_weights = self.current_weights()
        return score > best

    def current_weights(self) -> dict[str, Tensor]:
        return {key: value.clone() for key, value in self.model.state_dict().items()}

    def score(self, examples: Examples) -> Score:
        """Score the model on some examples."""
        return evaluate(self.model, self.prepare, examples, self.dtype, self.class_weights)

    def state_dict(self, phase: str, phase_state: PhaseState) -> dict[str, Any]:
        """Give all that decides how the training goes on, in nested dicts and lists."""
        return {
            **{key: getattr(self, key) for key in SAVED},
            "model": self.model.state_dict(),
            "phase": phase,
            "phase_state": phase_state.state_dict(),
            **random_state(self.generator, self.train.images.device),
        }

    def load_state_dict(self, state: dict[str, Any], phase_state: PhaseState) -> None:
        for key in SAVED:
            setattr(self, key, state[key])
        self.model.load_state_dict(state["model"])
        phase_state.load_state_dict(state["phase_state"])
        set_random_state(state, self.generator, self.train.images.device)


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Compute no gradients of any layer but the head."""
    head = {id(weights) for weights in head_of(model).parameters()}
    others = [weights for weights in model.parameters() if weights.requires_grad and id(weights) not in head]
    for weights in others:
        weights.requires_grad_(False)
    try:
        yield
    finally:
        for weights in others:
            weights.requires_grad_(True)


def random_state(generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Give the states of all generators that a training draws from: its own for the order, and torch's for dropout."""
    states = {"generator": generator.get_state(), "cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["device"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["device"] = torch.mps.get_rng_state()
    return states


def set_random_state(states: Mapping[str, Tensor], generator: torch.Generator, device: torch.device) -> None:
    """Set all generators to the states that `random_state` gave."""
    generator.set_state(states["generator"])
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["device"])


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    examples: Examples,
    dtype: torch.dtype = torch.float32,
    class_weights: Tensor | None = None,
) -> Score:
    """Score the model, with dropout off and BatchNorm's statistics fixed. class_weights: factors of the losses."""
    logits = predict_logits(model, prepare, examples.images, dtype)
    losses = cross_entropy(logits, examples.labels, reduction="none")
    if class_weights is not None:
        losses = losses * class_weights[examples.labels]
    correct = (logits.argmax(1) == examples.labels).float()
    counts = examples.labels.bincount(minlength=logits.shape[1])
    recalls = examples.labels.bincount(correct, minlength=logits.shape[1])[counts > 0] / counts[counts > 0]
    return Score(losses.mean().item(), correct.mean().item(), recalls.mean().item())
