"""Where to compute, and how precisely: chosen by what the machine can do, so that settings need not name it."""

import ctypes
import os
import sys
from contextlib import AbstractContextManager
from typing import Literal

import torch

from fashion.errors import InputError

Precision = Literal["auto", "bf16", "fp32"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h


def pick_device() -> torch.device:
    """Take CUDA, else Apple's MPS, else the CPU; the environment variable FASHION_DEVICE overrides it."""
    wanted = os.environ.get("FASHION_DEVICE", "")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not wanted:
        return torch.device(next(name for name, there in available.items() if there))
    name, _, number = wanted.partition(":")
    counts = {"cuda": torch.cuda.device_count(), "mps": 1, "cpu": 1}
    if not available.get(name, False) or (number or "0") not in map(str, range(counts[name])):
        choices = ", ".join(name for name, there in available.items() if there)
        raise InputError(f"FASHION_DEVICE={wanted}: no such device here; choose from {choices}, or unset it")
    return torch.device(wanted)


def has_bf16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 natively; where it does not, bf16 is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def pick_precision(setting: Precision, device: torch.device) -> torch.dtype:
    """Turn `auto`, `bf16` or `fp32` into the type that convolutions and products are computed in."""
    if setting == "auto":
        setting = "bf16" if has_bf16(device) else "fp32"
    return torch.bfloat16 if setting == "bf16" else torch.float32


def mixed_precision(dtype: torch.dtype, device: torch.device) -> AbstractContextManager:
    """Give the context in which a forward pass computes in `dtype`; weights stay in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def prepare_to_compute(threads: int) -> None:
    """Compute the same bits each time, with so many CPU threads, and keep freed memory for the next batch.

    The number of threads decides the order of sums and so the bits of the result: it is a setting, and not the number
    of cores. To be called once, before the first operation.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32, in convolutions too; bf16 does not ask
    torch.set_flush_denormal(True)  # denormals slow a training's end
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory instead of returning it to the kernel.

    Activations are freed and asked for again in each batch, and the page faults cost more than the arithmetic:
    base_cnn trains 1.7 times as fast with this on a 2-core virtual machine. Elsewhere than on glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(M_ARENA_MAX, 1)  # an arena of a thread other than the main one always gives back large blocks


def environment(dtype: torch.dtype, device: torch.device) -> dict[str, str]:
    """Describe what a result depends on beside code, data and settings."""
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu": torch.backends.cpu.get_cpu_capability() + (" AMX" if torch.cpu._is_amx_tile_supported() else ""),
        "precision": "bf16" if dtype == torch.bfloat16 else "fp32",
        "threads": str(torch.get_num_threads()),
    }
