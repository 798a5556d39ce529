"""Optimisers, learning-rate schedules, and running means of weights."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from fashion.networks.building.factory import layer_groups
from fashion.settings.model import Phase

TRIANGLE = ((0, 0.23, 1), (0.2, 1, 0.07))  # fractions of the steps, and of lr at these; as in arXiv 2404.00498


class Uncompiled(torch.optim.Optimizer):
    """An optimiser without the import of PyTorch's compiler, which costs each training 1.9 s and 90 MB.

    PyTorch wraps these methods and `step` for the compiler, and imports it even if nothing is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class Adam(Uncompiled, torch.optim.Adam):
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class SGD(Uncompiled, torch.optim.SGD):
    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


def make_optimizer(phase: Phase, model: nn.Module) -> torch.optim.Optimizer:
    """Make the optimiser of a phase, with fused kernels, which update all weights in one call."""
    lr, decay, factor = phase.lr, phase.weight_decay, phase.bias_lr_multiplier
    bias_decay = 0.0 if phase.optimizer == "adamw" else decay / factor
    apart = (factor, bias_decay) != (1, decay)  # whether biases differ from weights
    layers = [[*model.parameters()]] if phase.layer_decay == 1 else layer_groups(model)
    groups: list[dict[str, Any]] = []
    for depth, layer in enumerate(reversed(layers)):
        layer_lr = lr * phase.layer_decay**depth
        weights = [parameter for parameter in layer if not (apart and parameter.ndim == 1)]
        biases = [parameter for parameter in layer if apart and parameter.ndim == 1]
        groups += [
            {"params": parameters, "lr": group_lr, "weight_decay": group_decay}
            for parameters, group_lr, group_decay in (
                (weights, layer_lr, decay),
                (biases, layer_lr * factor, bias_decay),
            )
            if parameters
        ]
    if phase.optimizer != "sgd":
        decoupled = phase.optimizer == "adamw"
        return Adam(groups, lr=lr, weight_decay=decay, decoupled_weight_decay=decoupled, fused=True)
    return SGD(groups, lr=lr, momentum=phase.momentum, weight_decay=decay, nesterov=phase.nesterov, fused=True)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a saved state into an optimiser; its keys, numbers of weights, may be strings.

    Moments get the memory layout of their weights: fused kernels read both at the same offsets.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for number, values in state["state"].items():
        weight = weights[int(number)].detach()
        moments[int(number)] = {
            key: torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
            for key, value in values.items()
        }
    optimizer.load_state_dict({**state, "state": moments})


def make_schedule(phase: Phase, optimizer: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """Make the learning-rate schedule over `steps` batches."""
    factors: dict[str, Callable[[int], float]] = {
        "constant": lambda _: 1.0,
        "linear": lambda step: max(1 - step / steps, 0.0),
        "cosine": lambda step: (1 + math.cos(math.pi * min(step / steps, 1))) / 2,
        "triangle": lambda step: float(np.interp(step / steps, *TRIANGLE)),
    }
    factor, warmup = factors[phase.schedule], phase.warmup * steps
    return LambdaLR(optimizer, lambda step: factor(step) * (min((step + 1) / warmup, 1) if warmup else 1))


class Lookahead:
    """Set the weights to their running mean every few batches; older weights count more as a phase goes on.

    As `Lookahead` in Keller Jordan, arXiv 2404.00498: the old mean has a weight of .95^5 at the end, and little before.
    """

    def __init__(self, model: nn.Module, *, every: int, steps: int) -> None:
        self.every, self.steps, self.steps_done = every, steps, 0
        self.weights = [value for value in model.state_dict().values() if value.is_floating_point()]
        self.means = [value.clone() for value in self.weights]

    def step(self) -> None:
        """Count a batch, and average if it is due."""
        self.steps_done += 1
        if self.steps_done % self.every == 0:
            old = 0.95**5 * (self.steps_done / self.steps) ** 3
            with torch.no_grad():
                torch._foreach_lerp_(self.means, self.weights, 1 - old)
                torch._foreach_copy_(self.weights, self.means)

    def state_dict(self) -> dict[str, Any]:
        """Give what changes from step to step, beside the network's own weights."""
        return {"steps_done": self.steps_done, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        for mean, saved in zip(self.means, state["means"], strict=True):
            mean.copy_(saved)


class MovingAverage:
    """An exponential moving average of the weights, over batches; it is what is validated and kept.

    In the first batches the old mean, of random weights, counts less: (1 + n) / (10 + n) after n batches.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay, self.steps_done = decay, 0
        self.weights = [value for value in model.state_dict().values() if value.is_floating_point()]
        self.means = [value.clone() for value in self.weights]

    def step(self) -> None:
        """Count a batch."""
        self.steps_done += 1
        decay = min(self.decay, (1 + self.steps_done) / (10 + self.steps_done))
        with torch.no_grad():
            torch._foreach_lerp_(self.means, self.weights, 1 - decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network have the mean weights for a while."""
        own = [value.clone() for value in self.weights]
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.means)
            yield
            torch._foreach_copy_(self.weights, own)

    def state_dict(self) -> dict[str, Any]:
        """Give what changes from step to step, beside the network's own weights."""
        return {"steps_done": self.steps_done, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        for mean, saved in zip(self.means, state["means"], strict=True):
            mean.copy_(saved)
