import pytest
import torch
from torch import Tensor, nn

from fashion.networks.building import layers
from fashion.networks.building.layers import Conv2d, Dropout, OutputLinear

DTYPES = (torch.float32, torch.bfloat16)
# in_channels, out_channels, kernel_size, padding, size of the map
UNFOLDED = [(128, 16, 2, 0, 7), (256, 16, 4, 0, 6)]
LARGER_OUTPUT = [(8, 12, 3, 2, 12), (8, 12, 4, 2, 12), (32, 64, 3, 3, 9), (128, 16, 3, 2, 6)]
FEW_CHANNELS = [(8, 12, 5, 0, 12), (8, 12, 6, 2, 12), (8, 12, 8, 2, 12)]


@pytest.mark.parametrize(
    ("function", "dtype", "in_channels", "out_channels", "kernel_size", "padding", "size"),
    [
        *[("UnfoldedWeightGradient", dtype, *case) for case in UNFOLDED for dtype in DTYPES],
        *[("ExplicitPadding", dtype, *case) for case in LARGER_OUTPUT for dtype in DTYPES],
        *[("ExplicitPadding", torch.bfloat16, *case) for case in FEW_CHANNELS],
    ],
)
def test_a_convolution_has_the_values_and_gradients_of_pytorch(
    function: str, dtype: torch.dtype, in_channels: int, out_channels: int, kernel_size: int, padding: int, size: int
) -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, in_channels, size, size)
    theirs = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding)
    ours = Conv2d(in_channels, out_channels, kernel_size, padding)
    ours.load_state_dict(theirs.state_dict())

    def values_and_gradients(layer: nn.Module, dtype: torch.dtype) -> list[Tensor]:
        leaf = maps.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = layer(leaf)
        (out.float() ** 2).sum().backward()
        assert leaf.grad is not None
        return [out.detach(), leaf.grad, *[weight.grad for weight in layer.parameters() if weight.grad is not None]]

    assert type(ours(maps.clone().requires_grad_().to(dtype)).grad_fn).__name__ == f"{function}Backward"
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    exact = values_and_gradients(theirs, torch.float32)  # PyTorch's values in bf16 may be wrong, see Conv2d
    for values, expected in zip(values_and_gradients(ours, dtype), exact, strict=True):
        assert (values - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("amx", [None, True])  # None: as on this machine
@pytest.mark.parametrize("kernel_size", [7, 8, 12, 16])
@pytest.mark.parametrize("in_channels", [1, 4, 8, 12, 16])
def test_a_convolution_with_a_large_kernel_is_right_in_bf16_in_training_and_prediction(
    in_channels: int, kernel_size: int, amx: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if amx is not None:
        monkeypatch.setattr(layers, "has_amx", lambda: amx)
    layer, maps = Conv2d(in_channels, 8, kernel_size), torch.randn(4, in_channels, 18, 18)
    exact = nn.Conv2d.forward(layer, maps)
    (exact**2).sum().backward()
    exact_gradient, layer.weight.grad = layer.weight.grad, None
    for training in (True, False):
        with torch.set_grad_enabled(training), torch.autocast("cpu", dtype=torch.bfloat16):
            values = layer(maps)
        assert relative_error(values, exact) < 0.01
        if training:
            (values.float() ** 2).sum().backward()
            assert layer.weight.grad is not None and exact_gradient is not None
            assert relative_error(layer.weight.grad, exact_gradient) < 0.01


def relative_error(values: Tensor, exact: Tensor) -> float:
    return ((values - exact).norm() / exact.norm()).item()


def test_a_convolution_computes_in_bf16_under_autocast_and_has_fp32_gradients() -> None:
    torch.manual_seed(0)
    layer = Conv2d(128, 16, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(torch.randn(4, 128, 7, 7))
    out.float().mean().backward()
    assert out.dtype == torch.bfloat16
    assert {weight.grad.dtype for weight in layer.parameters() if weight.grad is not None} == {torch.float32}


def test_dropout_drops_values_at_its_rate_and_scales_the_others() -> None:
    torch.manual_seed(0)
    values = torch.full((300, 1001), 2.0, dtype=torch.bfloat16)
    out = Dropout(0.25)(values)
    assert out.unique().tolist() == [0.0, pytest.approx(2 / 0.75, rel=0.01)]
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_dropout_drops_values_independently() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(4000, 8)) == 0).float()
    correlations = torch.corrcoef(dropped.T) - torch.eye(8)
    assert correlations.abs().max() < 0.1


def test_gradients_of_dropout_are_zero_where_values_are_dropped() -> None:
    torch.manual_seed(0)
    values = torch.ones(50, 20, requires_grad=True)
    out = Dropout(0.5)(values)
    out.sum().backward()
    assert values.grad is not None
    assert values.grad.equal(out.detach())


def test_a_rate_just_below_1_drops_nearly_all_values() -> None:
    assert (Dropout(0.999999)(torch.ones(1000, 100)) == 0).float().mean() > 0.999


def test_dropout_depends_only_on_the_seed() -> None:
    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(64, 64))

    assert draw(1).equal(draw(1))
    assert not draw(1).equal(draw(2))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropout_at_rates_0_and_1_is_exact(rate: float) -> None:
    assert Dropout(rate)(torch.ones(40, 40)).unique().tolist() == [1 - rate]


def test_dropout_changes_nothing_in_eval_mode() -> None:
    assert Dropout(0.5).eval()(torch.ones(40, 40)).eq(1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_are_those_of_fp32_weights_under_autocast_and_so_are_their_gradients(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, features = OutputLinear(64, 10), torch.randn(50, 64).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(features)
    expected = nn.Linear.forward(layer, features.float())
    assert logits.dtype == torch.float32
    assert torch.equal(logits, expected)
    gradients = torch.autograd.grad(logits.square().sum(), layer.weight)[0]
    assert gradients.dtype == torch.float32
    assert torch.equal(gradients, torch.autograd.grad(expected.square().sum(), layer.weight)[0])
