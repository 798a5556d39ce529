"""Learn more often from what is not yet learned: InfoBatch (Qin et al., arXiv 2303.04947), in shares of fixed size."""

import math

import torch
from torch import Tensor

from fashion.settings.system import Pruning


class Pruner:
    """Choose the examples of each epoch of a phase, by their losses when last seen.

    examples: how many there are. epochs: of the phase. generator: of the CPU, for all draws. device: where losses are.
    """

    def __init__(
        self, settings: Pruning, examples: int, epochs: int, generator: torch.Generator, device: torch.device
    ) -> None:
        self.generator = generator
        self.losses = torch.zeros(examples, device=device)
        self.easy = int(settings.easy * examples)
        self.dropped = int(settings.drop * self.easy)
        # The first epoch has no losses yet.
        self.pruned = range(1, epochs - math.ceil(settings.full * epochs)) if self.dropped else range(0)

    def size(self, epoch: int) -> int:
        """Give how many examples an epoch, counted from 0, learns from."""
        return len(self.losses) - (self.dropped if epoch in self.pruned else 0)

    def choose(self, epoch: int, order: Tensor) -> tuple[Tensor, Tensor]:
        """Take the examples of an epoch out of an order of all; also give what each counts for, in the same order.

        The easy ones that stay count for those that were dropped, so that the gradients of an epoch, which takes fewer
        steps, add up to what they would be of all examples.
        """
        weights = torch.ones(len(self.losses))
        if epoch in self.pruned:
            easy = self.losses.cpu().argsort(stable=True)[: self.easy]
            easy = easy[torch.randperm(self.easy, generator=self.generator)]
            weights[easy] = self.easy / (self.easy - self.dropped)
            weights[easy[: self.dropped]] = 0
            order = order[weights[order] > 0]
        return order, weights[order]

    def state_dict(self) -> dict[str, Tensor]:
        """Give what changes from epoch to epoch, beside the generator."""
        return {"losses": self.losses}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.losses.copy_(state["losses"])

    def remember(self, examples: Tensor, losses: Tensor) -> None:
        """Keep the losses of examples just seen; they stay on their device, where reading them would wait for it."""
        self.losses[examples.to(losses.device)] = losses.detach().float()
