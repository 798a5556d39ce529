import pytest
import torch

from fashion.classifier.device import has_bf16, mixed_precision, pick_device, pick_precision
from fashion.errors import InputError

CPU = torch.device("cpu")


def test_the_device_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_DEVICE", "cpu")
    assert pick_device() == CPU


def test_the_best_device_there_is_is_taken_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_DEVICE", raising=False)
    available = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (pick_device().type != "cpu") == available


@pytest.mark.parametrize("name", ["gpu", "tpu:0", "7"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_DEVICE", name)
    with pytest.raises(InputError, match=f"FASHION_DEVICE={name}: no such device here; choose from .*cpu"):
        pick_device()


def test_precision_can_be_forced_either_way_and_else_follows_the_processor() -> None:
    assert pick_precision("bf16", CPU) == torch.bfloat16
    assert pick_precision("fp32", CPU) == torch.float32
    assert pick_precision("auto", CPU) == (torch.bfloat16 if has_bf16(CPU) else torch.float32)


def test_mixed_precision_computes_products_in_the_type_and_keeps_weights_in_fp32() -> None:
    layer = torch.nn.Linear(4, 4)
    with mixed_precision(torch.bfloat16, CPU):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with mixed_precision(torch.float32, CPU):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32
