"""The state of one training phase: optimiser, schedule, augmentation, pruning, averaging, and epochs done."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fashion.images.augmentation import RandomAugmentation
from fashion.settings.model import Phase
from fashion.training.optimizers import Lookahead, MovingAverage, load_optimizer, make_optimizer, make_schedule
from fashion.training.pruning import Pruner


@dataclass
class PhaseState:
    """What a phase needs beside the network, and how far it is.

    max_epochs: the phase ends after this many epochs, or after `patience` validations without a better accuracy.
    epochs_done: epochs so far. bad_validations: validations since the best one.
    """

    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    max_epochs: int
    patience: int | None = None
    label_smoothing: float = 0.0
    augmentation: RandomAugmentation | None = None
    pruner: Pruner | None = None
    lookahead: Lookahead | None = None
    average: MovingAverage | None = None
    freeze: bool = False
    clip_norm: float | None = None
    epochs_done: int = 0
    bad_validations: int = 0

    @classmethod
    def of(
        cls,
        phase: Phase,
        model: nn.Module,
        num_examples: int,
        max_epochs: int,
        batch_size: int,
        generator: torch.Generator,
        device: torch.device,
        background: Sequence[int],
    ) -> Self:
        """Make the state at the start of a phase.

        generator: on the CPU, for all random draws. device: where the examples are. background: of the images.
        """
        pruner = (
            Pruner(phase.sample_pruning, num_examples, max_epochs, generator, device) if phase.sample_pruning else None
        )
        sizes = [pruner.size(epoch) if pruner else num_examples for epoch in range(max_epochs)]
        steps = sum(len(batches(size, batch_size)) for size in sizes)
        optimizer = make_optimizer(phase, model)
        augmentation = None
        if phase.augmentation:
            augmentation = RandomAugmentation(phase.augmentation, num_examples, generator, background)
        return cls(
            optimizer=optimizer,
            schedule=make_schedule(phase, optimizer, steps=steps),
            max_epochs=max_epochs,
            patience=phase.patience,
            label_smoothing=phase.label_smoothing,
            augmentation=augmentation,
            pruner=pruner,
            lookahead=Lookahead(model, every=phase.lookahead_every, steps=steps) if phase.lookahead_every else None,
            average=MovingAverage(model, decay=phase.ema) if phase.ema else None,
            freeze=phase.freeze,
            clip_norm=phase.clip_norm,
        )

    def finished(self) -> bool:
        out_of_patience = self.patience is not None and self.bad_validations >= self.patience
        return self.epochs_done == self.max_epochs or out_of_patience

    def state_dict(self) -> dict[str, Any]:
        """Give all that changes during the phase; the rest follows from its settings."""
        parts = {key: part.state_dict() for key, part in self.parts().items()}
        return {
            **parts,
            "optimizer": self.optimizer.state_dict(),
            "epochs_done": self.epochs_done,
            "bad_validations": self.bad_validations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for key, part in self.parts().items():
            part.load_state_dict(state[key])
        load_optimizer(self.optimizer, state["optimizer"])
        self.epochs_done, self.bad_validations = state["epochs_done"], state["bad_validations"]

    def parts(self) -> dict[str, Any]:
        """List what has a `state_dict` in the usual form, by name."""
        names = ("schedule", "augmentation", "pruner", "lookahead", "average")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def batches(num_examples: int, batch_size: int) -> list[slice]:
    """Cut the examples into batches of nearly equal size, none larger than `batch_size` if that leaves two in each.

    A last batch of a few examples would ruin the statistics of BatchNorm: with 312 images in batches of 311, two images
    cost ten points of validation accuracy.

    >>> batches(312, 311)
    [slice(0, 156, None), slice(156, 312, None)]
    """
    count = math.ceil(num_examples / batch_size)
    if batch_size > 1:
        count = max(min(count, num_examples // 2), 1)
    edges = [num_examples * number // count for number in range(count + 1)]
    return [slice(*pair) for pair in itertools.pairwise(edges)]
