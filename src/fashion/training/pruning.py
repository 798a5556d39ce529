"""Skip easy examples in some epochs: InfoBatch (Qin et al., arXiv 2303.04947), with a fixed number of examples."""

import math

import torch
from torch import Tensor

from fashion.settings.model import SamplePruning


class Pruner:
    """Choose the examples of each epoch of a phase by their losses when last seen.

    generator: on the CPU, for all random draws. device: where the losses are.
    """

    def __init__(
        self, settings: SamplePruning, num_examples: int, epochs: int, generator: torch.Generator, device: torch.device
    ) -> None:
        self.generator = generator
        self.losses = torch.zeros(num_examples, device=device)
        self.num_easy = int(settings.easy_share * num_examples)
        self.num_dropped = int(settings.drop_rate * self.num_easy)
        # The first epoch has no losses yet.
        self.pruned_epochs = (
            range(1, epochs - math.ceil(settings.unpruned_tail * epochs)) if self.num_dropped else range(0)
        )

    def size(self, epoch: int) -> int:
        """Give the number of examples in an epoch, counted from 0."""
        return len(self.losses) - (self.num_dropped if epoch in self.pruned_epochs else 0)

    def choose(self, epoch: int, order: Tensor) -> tuple[Tensor, Tensor]:
        """Remove the pruned examples of an epoch from an order of all; give the order and the examples' weights.

        The easy examples that remain have a larger weight: with it, the gradients of an epoch, which takes fewer steps,
        add up to what they would be over all examples.
        """
        weights = torch.ones(len(self.losses))
        if epoch in self.pruned_epochs:
            easy = self.losses.cpu().argsort(stable=True)[: self.num_easy]
            easy = easy[torch.randperm(self.num_easy, generator=self.generator)]
            weights[easy] = self.num_easy / (self.num_easy - self.num_dropped)
            weights[easy[: self.num_dropped]] = 0
            order = order[weights[order] > 0]
        return order, weights[order]

    def record_losses(self, examples: Tensor, losses: Tensor) -> None:
        """Keep the losses of a batch; all on the same device, since to read them would wait for it."""
        self.losses[examples] = losses.detach().float()

    def state_dict(self) -> dict[str, Tensor]:
        """Give what changes from epoch to epoch, beside the generator."""
        return {"losses": self.losses}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.losses.copy_(state["losses"])
