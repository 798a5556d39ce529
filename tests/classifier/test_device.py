import pytest
import torch

from fashion.classifier.device import (
    environment,
    has_bf16,
    mixed_precision,
    pick_device,
    pick_precision,
    prepare_to_compute,
)
from fashion.errors import InputError

CPU = torch.device("cpu")


def test_the_device_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_DEVICE", "cpu")
    assert pick_device() == CPU


def test_the_best_device_there_is_is_taken_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_DEVICE", raising=False)
    available = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (pick_device().type != "cpu") == available


@pytest.mark.parametrize(("there", "picked"), [("cuda", "cuda"), ("backends.mps", "mps")])
def test_a_gpu_that_is_there_is_taken(there: str, picked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASHION_DEVICE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(f"torch.{there}.is_available", lambda: True)
    assert pick_device().type == picked


@pytest.mark.parametrize("supported", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_a_processor_that_multiplies_bf16_computes_in_it(supported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(f"torch.cpu.{name}", lambda name=name: name == supported)
    assert pick_precision("auto", CPU) == torch.bfloat16
    monkeypatch.setattr(f"torch.cpu.{supported}", lambda: False)
    assert pick_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(("generation", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_bf16_from_its_eighth_generation_on(
    generation: tuple[int, int], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: generation)
    assert has_bf16(torch.device("cuda")) == has
    assert not has_bf16(torch.device("mps"))


def test_the_threads_asked_for_are_used_and_stand_in_the_environment() -> None:
    before = torch.get_num_threads()
    try:
        prepare_to_compute(before + 1)
        assert torch.get_num_threads() == before + 1
        described = [environment(dtype, CPU) for dtype in (torch.float32, torch.bfloat16)]
    finally:
        torch.set_num_threads(before)
    assert [row["precision"] for row in described] == ["fp32", "bf16"]
    assert described[0]["threads"] == str(before + 1)
    assert described[0]["device"] == "cpu"


def test_fp32_means_fp32_in_a_gpus_convolutions_too() -> None:
    prepare_to_compute(torch.get_num_threads())
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("name", ["gpu", "tpu:0", "7", "cpu:x", "cpu:1", "cuda:99"])
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
