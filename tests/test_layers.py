import pytest
import torch
from torch import Tensor, nn

from fashion.layers import Conv2d


@pytest.mark.parametrize(("channels", "kernel", "size"), [(128, 2, 7), (256, 4, 6), (64, 2, 9)])
def test_a_convolution_has_torchs_values_and_gradients(channels: int, kernel: int, size: int) -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, channels, size, size)
    theirs = nn.Conv2d(channels, 16, kernel)
    ours = Conv2d(channels, 16, kernel)
    ours.load_state_dict(theirs.state_dict())

    def values_and_gradients(layer: nn.Module) -> list[Tensor]:
        leaf = maps.clone().requires_grad_()
        out = layer(leaf)
        (out**2).mean().backward()
        assert leaf.grad is not None
        return [out.detach(), leaf.grad, *[weight.grad for weight in layer.parameters() if weight.grad is not None]]

    for ours_, theirs_ in zip(values_and_gradients(ours), values_and_gradients(theirs), strict=True):
        torch.testing.assert_close(ours_, theirs_, rtol=1e-4, atol=1e-5)


def test_a_convolution_computes_in_bf16_under_autocast_and_keeps_its_gradients_in_fp32() -> None:
    torch.manual_seed(0)
    layer = Conv2d(128, 16, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(torch.randn(4, 128, 7, 7))
    out.float().mean().backward()
    assert out.dtype == torch.bfloat16
    assert {weight.grad.dtype for weight in layer.parameters() if weight.grad is not None} == {torch.float32}
