import pytest
import torch

from fashion.classifier.device import (
    configure_torch,
    environment,
    has_bf16,
    mixed_precision,
    move_model,
    select_device,
    select_dtype,
)
from fashion.errors import InputError

CPU = torch.device("cpu")


def test_the_device_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_DEVICE", "cpu")
    assert select_device() == CPU


def test_a_gpu_is_preferred_to_the_cpu_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_DEVICE", raising=False)
    available = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (select_device().type != "cpu") == available


@pytest.mark.parametrize(("module", "device"), [("cuda", "cuda"), ("backends.mps", "mps")])
def test_an_available_gpu_is_selected(module: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_DEVICE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(f"torch.{module}.is_available", lambda: True)
    assert select_device().type == device


@pytest.mark.parametrize("supported", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_auto_is_bf16_on_a_processor_that_multiplies_it(supported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(f"torch.cpu.{name}", lambda name=name: name == supported)
    assert select_dtype("auto", CPU) == torch.bfloat16
    monkeypatch.setattr(f"torch.cpu.{supported}", lambda: False)
    assert select_dtype("auto", CPU) == torch.float32


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_bf16_from_compute_capability_8_on(
    capability: tuple[int, int], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    assert has_bf16(torch.device("cuda")) == expected
    assert not has_bf16(torch.device("mps"))


def test_the_threads_of_the_settings_are_used_and_are_part_of_the_environment() -> None:
    before = torch.get_num_threads()
    try:
        configure_torch(before + 1)
        assert torch.get_num_threads() == before + 1
        environments = [environment(dtype, CPU) for dtype in (torch.float32, torch.bfloat16)]
    finally:
        torch.set_num_threads(before)
    assert [row["precision"] for row in environments] == ["fp32", "bf16"]
    assert environments[0]["threads"] == str(before + 1)
    assert environments[0]["device"] == "cpu"


def test_convolutions_on_a_gpu_do_not_use_tf32() -> None:
    configure_torch(torch.get_num_threads())
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("name", ["gpu", "tpu:0", "7", "cpu:x", "cpu:1", "cuda:99"])
def test_an_unavailable_device_is_refused_with_the_available_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_DEVICE", name)
    with pytest.raises(InputError, match=f"FASHION_DEVICE={name}: no such device here; choose from .*cpu"):
        select_device()


def test_precision_can_be_set_and_auto_follows_the_processor() -> None:
    assert select_dtype("bf16", CPU) == torch.bfloat16
    assert select_dtype("fp32", CPU) == torch.float32
    assert select_dtype("auto", CPU) == (torch.bfloat16 if has_bf16(CPU) else torch.float32)


def test_mixed_precision_computes_in_bf16_and_keeps_weights_in_fp32() -> None:
    layer = torch.nn.Linear(4, 4)
    with mixed_precision(torch.bfloat16, CPU):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with mixed_precision(torch.float32, CPU):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize(("device", "channels_last"), [("cpu", True), ("cuda", True), ("mps", False)])
def test_a_model_is_channels_last_except_on_mps(
    device: str, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    move = torch.nn.Module.to
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, _, memory_format: move(self, memory_format=memory_format))
    move_model(model, torch.device(device))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert model[0].weight.is_contiguous() != channels_last
