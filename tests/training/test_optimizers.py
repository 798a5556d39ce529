import textwrap
from collections.abc import Callable

import pytest
import torch
from torch import nn

from clone import ROOT, run
from fashion.settings.model import Phase
from fashion.training.optimizers import Lookahead, make_optimizer, make_schedule


def test_biases_have_their_own_learning_rate_and_weight_decay() -> None:
    phase = Phase(optimizer="sgd", lr=0.1, weight_decay=0.01, bias_lr_multiplier=4, max_epochs=1)
    weights, biases = make_optimizer(phase, nn.Linear(3, 2)).param_groups
    assert [weights["lr"], weights["weight_decay"]] == [0.1, 0.01]
    assert [biases["lr"], biases["weight_decay"]] == pytest.approx([0.4, 0.0025])
    assert [len(group["params"][0].shape) for group in (weights, biases)] == [2, 1]


def test_an_optimizer_has_the_settings_of_its_phase() -> None:
    layer = nn.Linear(3, 2)
    adam = make_optimizer(Phase(optimizer="adam", lr=0.1, weight_decay=0.01, max_epochs=1), layer)
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.defaults["lr"], adam.defaults["weight_decay"], adam.defaults["fused"]) == (0.1, 0.01, True)
    phase = Phase(optimizer="sgd", lr=0.2, momentum=0.9, nesterov=True, weight_decay=0.02, max_epochs=1)
    sgd = make_optimizer(phase, layer)
    assert isinstance(sgd, torch.optim.SGD)
    expected = {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02, "fused": True}
    assert {key: sgd.defaults[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "pytorch"),
    [("adam", torch.optim.Adam), ("sgd", lambda *args, **settings: torch.optim.SGD(*args, momentum=0.9, **settings))],
)
def test_a_step_is_that_of_pytorch(name: str, pytorch: Callable[..., torch.optim.Optimizer]) -> None:
    phase = Phase.model_validate({"optimizer": name, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "max_epochs": 1})
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    pytorch_optimizer = pytorch(theirs.parameters(), lr=0.1, weight_decay=0.01, fused=True)
    for model, optimizer in ((ours, make_optimizer(phase, ours)), (theirs, pytorch_optimizer)):
        for _ in range(3):
            model(torch.ones(4, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_an_optimizer_does_not_import_the_compiler() -> None:
    code = """
        import sys
        from torch import nn
        from fashion.settings.model import Phase
        from fashion.training.optimizers import load_optimizer, make_optimizer, make_schedule

        for name in ("adam", "sgd"):
            phase, layer = Phase(optimizer=name, lr=0.1, max_epochs=1), nn.Linear(3, 2)
            optimizer = make_optimizer(phase, layer)
            scheduler = make_schedule(phase, optimizer, steps=2)
            layer.weight.sum().backward()
            optimizer.step()
            scheduler.step()
            load_optimizer(optimizer, optimizer.state_dict())
        print([module for module in sys.modules if module.startswith("torch._dynamo")])
    """
    assert run(ROOT, "python", "-c", textwrap.dedent(code)) == "[]\n"


def test_lookahead_follows_the_weights_at_first_and_keeps_its_mean_at_the_end() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    lookahead = Lookahead(model, every=2, steps=4)
    averaged = []
    for _ in range(4):
        model.weight.data.fill_(1.0)
        lookahead.step()
        averaged.append(model.weight.item())
        model.weight.data.sub_(1.0)
    old_share = [0.95**5 / 8, 0.95**5]  # of the old mean, after 2 and 4 steps
    assert averaged == pytest.approx([1, 1 - old_share[0], 1, 1 - old_share[1] * old_share[0]])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.1] * 5),
        ("linear", [0.1, 0.075, 0.05, 0.025, 0]),
        ("triangle", [0.02, 0.09757, 0.06740, 0.03719, 0.007]),
    ],
)
def test_a_schedule_sets_the_learning_rate_after_each_step(schedule: str, rates: list[float]) -> None:
    phase = Phase(optimizer="sgd", lr=0.1, schedule=schedule, max_epochs=1)  # type: ignore[arg-type]
    optimizer = make_optimizer(phase, nn.Linear(1, 1))
    scheduler = make_schedule(phase, optimizer, steps=4)
    learning_rates = []
    for _ in range(5):
        learning_rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert learning_rates == pytest.approx(rates, abs=1e-4)
