"""What one phase of a training needs beside the network, and where it is in it."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fashion.images.random_changes import RandomAugmentation
from fashion.settings.system import Phase
from fashion.training.optimizers import RunningMean, load_optimizer, make_optimizer, make_schedule
from fashion.training.pruning import Pruner


@dataclass
class Course:
    """What one phase needs beside the network.

    epochs: at most so many. patience: validations without a better accuracy after which it is over, if given.
    done: epochs. waited: validations since the best.
    """

    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    epochs: int
    patience: int | None = None
    label_smoothing: float = 0.0
    augmentation: RandomAugmentation | None = None
    pruner: Pruner | None = None
    average: RunningMean | None = None
    done: int = 0
    waited: int = 0

    @classmethod
    def of(
        cls,
        phase: Phase,
        model: nn.Module,
        examples: int,
        epochs: int,
        batch_size: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> Self:
        """Make what a phase of so many epochs needs.

        generator: of the CPU, for all draws. device: where examples are.
        """
        pruner = Pruner(phase.pruning, examples, epochs, generator, device) if phase.pruning else None
        sizes = [pruner.size(epoch) if pruner else examples for epoch in range(epochs)]
        steps = sum(len(batches(size, batch_size)) for size in sizes)
        optimizer = make_optimizer(phase, model)
        return cls(
            optimizer=optimizer,
            schedule=make_schedule(phase, optimizer, steps=steps),
            epochs=epochs,
            patience=phase.patience,
            label_smoothing=phase.label_smoothing,
            augmentation=RandomAugmentation(phase.augmentation, examples, generator) if phase.augmentation else None,
            pruner=pruner,
            average=RunningMean(model, every=phase.average, steps=steps) if phase.average else None,
        )

    def over(self) -> bool:
        return self.done == self.epochs or (self.patience is not None and self.waited >= self.patience)

    def state_dict(self) -> dict[str, Any]:
        """Give all that changes as the phase goes on; the rest follows from its settings."""
        own = {key: part.state_dict() for key, part in self.parts().items()}
        return {**own, "optimizer": self.optimizer.state_dict(), "done": self.done, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for key, part in self.parts().items():
            part.load_state_dict(state[key])
        load_optimizer(self.optimizer, state["optimizer"])
        self.done, self.waited = state["done"], state["waited"]

    def parts(self) -> dict[str, Any]:
        named = ("schedule", "augmentation", "pruner", "average")
        return {key: getattr(self, key) for key in named if getattr(self, key) is not None}


def batches(examples: int, size: int) -> list[slice]:
    """Cut so many examples into batches; the last may be smaller, but is never a single one.

    BatchNorm has no variance of one image, so a remainder of one is left out.
    """
    starts = range(0, examples, size)
    return [slice(start, start + size) for start in starts if min(size, examples - start) > 1 or size == 1]
