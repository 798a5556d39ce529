import textwrap
from collections.abc import Callable

import pytest
import torch
from torch import nn

from clone import ROOT, run
from fashion.settings.model import Phase
from fashion.training.optimizers import Lookahead, MovingAverage, make_optimizer, make_schedule


def test_biases_have_their_own_learning_rate_and_weight_decay() -> None:
    phase = Phase(optimizer="sgd", lr=0.1, weight_decay=0.01, bias_lr_multiplier=4, max_epochs=1)
    weights, biases = make_optimizer(phase, nn.Linear(3, 2)).param_groups
    assert [weights["lr"], weights["weight_decay"]] == [0.1, 0.01]
    assert [biases["lr"], biases["weight_decay"]] == pytest.approx([0.4, 0.0025])
    assert [len(group["params"][0].shape) for group in (weights, biases)] == [2, 1]


def test_each_layer_has_a_lower_learning_rate_than_the_next() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.Linear(3, 2))
    groups = make_optimizer(Phase(optimizer="adam", lr=0.1, layer_decay=0.5, max_epochs=1), model).param_groups
    rates = {group["params"][0].shape: group["lr"] for group in groups}
    assert rates == {(4, 5): 0.025, (3, 4): 0.05, (2, 3): 0.1}
    assert sum(len(group["params"]) for group in groups) == 6


def test_adamw_decays_weights_apart_from_the_gradients_and_no_biases() -> None:
    phase = Phase(optimizer="adamw", lr=0.1, weight_decay=0.5, max_epochs=1)
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = make_optimizer(phase, layer)
    (layer.weight.sum() * 0 + layer.bias.sum() * 0).backward()
    optimizer.step()
    torch.testing.assert_close(layer.weight, weight * (1 - 0.1 * 0.5))
    assert torch.equal(layer.bias, bias)


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

        for name in ("adam", "adamw", "sgd"):
            phase, layer = Phase(optimizer=name, lr=0.1, clip_norm=1, max_epochs=1), nn.Linear(3, 2)
            optimizer = make_optimizer(phase, layer)
            scheduler = make_schedule(phase, optimizer, steps=2)
            layer.weight.sum().backward()
            nn.utils.clip_grad_norm_(layer.parameters(), phase.clip_norm)
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


def test_a_moving_average_follows_the_weights_and_is_applied_for_a_while() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = MovingAverage(model, decay=0.2)
    model.weight.data.fill_(1.0)
    for _ in range(3):
        average.step()
    decays = [2 / 11, 3 / 12 - 0.05, 0.2]  # of the old mean, the second and third at most 0.2
    with average.applied():
        assert model.weight.item() == pytest.approx(1 - decays[0] * decays[1] * decays[2])
    assert model.weight.item() == 1


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.1] * 5),
        ("linear", [0.1, 0.075, 0.05, 0.025, 0]),
        ("cosine", [0.1, 0.08536, 0.05, 0.01464, 0]),
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


def test_a_warmup_lets_the_learning_rate_rise_to_that_of_the_schedule() -> None:
    phase = Phase(optimizer="sgd", lr=0.1, schedule="linear", warmup=0.5, max_epochs=1)
    factor = make_schedule(phase, make_optimizer(phase, nn.Linear(1, 1)), steps=8).lr_lambdas[0]
    assert [factor(step) for step in range(8)] == pytest.approx(
        [0.25, 0.5 * 7 / 8, 0.75 * 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
