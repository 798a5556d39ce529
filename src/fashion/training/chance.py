"""The states of all generators that a training draws from: its own for the order, and torch's for dropout."""

import torch
from torch import Tensor


def random_states(order: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Give what decides all further draws, for a training on the device."""
    states = {"order": order.get_state(), "cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["device"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["device"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor], order: torch.Generator, device: torch.device) -> None:
    """Have all generators go on from such states."""
    order.set_state(states["order"])
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["device"])
