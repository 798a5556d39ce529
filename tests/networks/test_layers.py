import pytest
import torch
from torch import Tensor, nn

from fashion.networks.building import layers
from fashion.networks.building.layers import Conv2d, Dropout

BOTH = (torch.float32, torch.bfloat16)
UNFOLDED = [(128, 16, 2, 0, 7), (256, 16, 4, 0, 6)]
LARGER = [(8, 12, 3, 2, 12), (8, 12, 4, 2, 12), (32, 64, 3, 3, 9), (128, 16, 3, 2, 6)]  # than it was
FEW = [(8, 12, 5, 0, 12), (8, 12, 6, 2, 12), (8, 12, 8, 2, 12)]  # channels


@pytest.mark.parametrize(
    ("way", "dtype", "inputs", "outputs", "kernel", "padding", "size"),
    [
        *[("UnfoldedGradient", dtype, *case) for case in UNFOLDED for dtype in BOTH],
        *[("WrittenPadding", dtype, *case) for case in LARGER for dtype in BOTH],
        *[("WrittenPadding", torch.bfloat16, *case) for case in FEW],
    ],
)
def test_a_convolution_has_torchs_values_and_gradients(
    way: str, dtype: torch.dtype, inputs: int, outputs: int, kernel: int, padding: int, size: int
) -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, inputs, size, size)
    theirs = nn.Conv2d(inputs, outputs, kernel, padding=padding)
    ours = Conv2d(inputs, outputs, kernel, padding)
    ours.load_state_dict(theirs.state_dict())

    def values_and_gradients(layer: nn.Module, dtype: torch.dtype) -> list[Tensor]:
        leaf = maps.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = layer(leaf)
        (out.float() ** 2).sum().backward()
        assert leaf.grad is not None
        return [out.detach(), leaf.grad, *[weight.grad for weight in layer.parameters() if weight.grad is not None]]

    assert type(ours(maps.clone().requires_grad_().to(dtype)).grad_fn).__name__ == f"{way}Backward"
    rounding = 1e-5 if dtype == torch.float32 else 2e-2
    exact = values_and_gradients(theirs, torch.float32)  # since torch's bf16 may be wrong, see Conv2d
    for mine, torchs in zip(values_and_gradients(ours, dtype), exact, strict=True):
        assert (mine - torchs).abs().max() <= rounding * torchs.abs().max()


@pytest.mark.parametrize("amx", [None, True])  # as this machine has it; as if it had it
@pytest.mark.parametrize("kernel", [7, 8, 12, 16])
@pytest.mark.parametrize("inputs", [1, 4, 8, 12, 16])
def test_a_convolution_with_a_large_kernel_is_right_in_bf16_when_it_learns_and_when_it_is_used(
    inputs: int, kernel: int, amx: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if amx is not None:
        monkeypatch.setattr(layers, "has_amx", lambda: amx)
    layer, maps = Conv2d(inputs, 8, kernel), torch.randn(4, inputs, 18, 18)
    exact = nn.Conv2d.forward(layer, maps)
    (exact**2).sum().backward()
    exact_gradient, layer.weight.grad = layer.weight.grad, None
    for learns in (True, False):
        with torch.set_grad_enabled(learns), torch.autocast("cpu", dtype=torch.bfloat16):
            values = layer(maps)
        assert distance(values, exact) < 0.01
        if learns:
            (values.float() ** 2).sum().backward()
            assert layer.weight.grad is not None and exact_gradient is not None
            assert distance(layer.weight.grad, exact_gradient) < 0.01


def distance(values: Tensor, exact: Tensor) -> float:
    return ((values - exact).norm() / exact.norm()).item()


def test_a_convolution_computes_in_bf16_under_autocast_and_keeps_its_gradients_in_fp32() -> None:
    torch.manual_seed(0)
    layer = Conv2d(128, 16, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(torch.randn(4, 128, 7, 7))
    out.float().mean().backward()
    assert out.dtype == torch.bfloat16
    assert {weight.grad.dtype for weight in layer.parameters() if weight.grad is not None} == {torch.float32}


def test_dropout_drops_its_rate_and_makes_up_for_it() -> None:
    torch.manual_seed(0)
    values = torch.full((300, 1001), 2.0, dtype=torch.bfloat16)
    out = Dropout(0.25)(values)
    assert out.unique().tolist() == [0.0, pytest.approx(2 / 0.75, rel=0.01)]
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_dropout_drops_each_value_by_itself() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(4000, 8)) == 0).float()
    together = torch.corrcoef(dropped.T) - torch.eye(8)
    assert together.abs().max() < 0.1


def test_dropout_lets_gradients_through_where_it_keeps_values() -> None:
    torch.manual_seed(0)
    values = torch.ones(50, 20, requires_grad=True)
    out = Dropout(0.5)(values)
    out.sum().backward()
    assert values.grad is not None
    assert values.grad.equal(out.detach())


def test_a_rate_that_16_bits_cannot_tell_from_1_still_drops_nearly_all() -> None:
    assert (Dropout(0.999999)(torch.ones(1000, 100)) == 0).float().mean() > 0.999


def test_dropout_drops_the_same_with_the_same_seed() -> None:
    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(64, 64))

    assert draw(1).equal(draw(1))
    assert not draw(1).equal(draw(2))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropout_of_nothing_or_of_all_is_exact(rate: float) -> None:
    assert Dropout(rate)(torch.ones(40, 40)).unique().tolist() == [1 - rate]


def test_dropout_leaves_values_alone_when_a_network_is_used() -> None:
    assert Dropout(0.5).eval()(torch.ones(40, 40)).eq(1).all()
