"""Choose the device and the precision by what the machine supports, and configure PyTorch."""

import ctypes
import os
import sys
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import nn

from fashion.errors import InputError

Precision = Literal["auto", "bf16", "fp32"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # parameters of mallopt, from glibc's malloc.h


def select_device() -> torch.device:
    """Select CUDA, else Apple's MPS, else the CPU; the environment variable FASHION_DEVICE overrides this choice."""
    requested = os.environ.get("FASHION_DEVICE", "")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not requested:
        return torch.device(next(name for name, usable in available.items() if usable))
    name, _, number = requested.partition(":")
    counts = {"cuda": torch.cuda.device_count(), "mps": 1, "cpu": 1}
    if not available.get(name, False) or (number or "0") not in map(str, range(counts[name])):
        choices = ", ".join(name for name, usable in available.items() if usable)
        raise InputError(f"FASHION_DEVICE={requested}: no such device here; choose from {choices}, or unset it")
    return torch.device(requested)


def move_model(model: nn.Module, device: torch.device) -> None:
    """Move a model to a device, channels last where that is faster.

    Not on MPS: in some versions of PyTorch, BatchNorm's gradient is wrong there for channels-last maps.
    """
    memory_format = torch.contiguous_format if device.type == "mps" else torch.channels_last
    model.to(device, memory_format=memory_format)  # type: ignore[call-overload]


def has_bf16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 natively; if not, bf16 is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def select_dtype(setting: Precision, device: torch.device) -> torch.dtype:
    """Select the dtype of convolutions and matrix products; `auto` takes bf16 if the device has it."""
    if setting == "auto":
        setting = "bf16" if has_bf16(device) else "fp32"
    return torch.bfloat16 if setting == "bf16" else torch.float32


def mixed_precision(dtype: torch.dtype, device: torch.device) -> AbstractContextManager:
    """Make a context manager for a forward pass in `dtype`, by autocast; weights stay in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def configure_torch(threads: int) -> None:
    """Make PyTorch deterministic, with a fixed number of CPU threads, and make it reuse freed memory.

    The number of threads decides the order of sums, and thus the bits of the result: it is a setting, not the number of
    cores. Call this once, before the first operation.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # fp32 without TF32, also in convolutions; has no effect on bf16
    torch.set_flush_denormal(True)  # denormals slow down the end of a training
    reuse_freed_memory()


def reuse_freed_memory() -> None:
    """Tell glibc to reuse freed memory instead of returning it to the kernel.

    Activations are freed and allocated again in each batch, and the page faults cost more than the arithmetic: with
    this, base_cnn trains 1.7 times as fast on a 2-core virtual machine. Has no effect without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(M_ARENA_MAX, 1)  # arenas of other threads than the main one always return large blocks


def environment(dtype: torch.dtype, device: torch.device) -> dict[str, str]:
    """Describe the software and hardware that a result depends on, beside code, data and settings."""
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu": torch.backends.cpu.get_cpu_capability() + (" AMX" if torch.cpu._is_amx_tile_supported() else ""),
        "precision": "bf16" if dtype == torch.bfloat16 else "fp32",
        "threads": str(torch.get_num_threads()),
    }
