import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from fashion.networks.building.pooling import MaxPool


def pytorch_pool(size: int, *, followed_by_relu: bool) -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(size), nn.ReLU() if followed_by_relu else nn.Identity())


def values_and_gradient(layer: nn.Module, maps: Tensor) -> tuple[Tensor, Tensor]:
    leaf = maps.clone().requires_grad_()
    out = layer(leaf)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype))
    assert leaf.grad is not None
    return out.detach(), leaf.grad


def assert_same_bits(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == their.dtype
        assert torch.equal(our, their)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("followed_by_relu", [True, False])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((3, 6, 24, 24), 2), ((2, 1, 9, 7), 2), ((2, 5, 8, 11), 3), ((4, 32, 15, 15), 2), ((1, 8, 3, 3), 3)],
)
def test_pooling_has_the_values_and_gradients_of_pytorch_bit_for_bit(
    shape: tuple[int, ...], size: int, followed_by_relu: bool, dtype: torch.dtype
) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    maps = maps.contiguous(memory_format=torch.channels_last)
    assert_same_bits(
        values_and_gradient(MaxPool(size, relu=followed_by_relu), maps),
        values_and_gradient(pytorch_pool(size, followed_by_relu=followed_by_relu), maps),
    )


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    maps = torch.randint(1, 3, (4, 12, 10, 10), generator=torch.Generator().manual_seed(0)).float()
    maps[:, :, :4] = 2  # whole windows of the same value
    assert_same_bits(
        values_and_gradient(MaxPool(2, relu=True), maps),
        values_and_gradient(pytorch_pool(2, followed_by_relu=True), maps),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("followed_by_relu", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_nan_and_infinity_are_pooled_as_in_pytorch(sign: int, followed_by_relu: bool, dtype: torch.dtype) -> None:
    maps = -torch.rand((2, 8, 4, 4), generator=torch.Generator().manual_seed(0)).to(dtype)
    maps[0, 0, 1, 0] = torch.tensor(torch.nan).copysign(torch.tensor(float(sign)))
    maps[0, 1, 1, 0] = sign * torch.inf
    maps[1, 2] = -torch.inf
    pooled = MaxPool(2, relu=followed_by_relu)(maps)
    theirs = max_pool2d(maps, 2)
    assert torch.equal(pooled.isnan(), theirs.isnan())
    assert torch.equal(pooled.nan_to_num(), (relu(theirs) if followed_by_relu else theirs).nan_to_num())


def test_other_dtypes_are_pooled_by_pytorch() -> None:
    maps = torch.randn((2, 3, 6, 6), generator=torch.Generator().manual_seed(0)).double()
    assert_same_bits(
        values_and_gradient(MaxPool(2, relu=True), maps),
        values_and_gradient(pytorch_pool(2, followed_by_relu=True), maps),
    )


def test_pooled_maps_are_channels_last() -> None:
    maps = torch.randn((2, 3, 6, 6))
    assert MaxPool(2)(maps).is_contiguous(memory_format=torch.channels_last)
