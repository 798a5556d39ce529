"""Compare the environments of two machines: with the same one, the same bytes are expected of a stage."""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

VECTOR_FLAGS = re.compile("sse4|ssse3|avx|amx|fma|f16c|asimd|neon|sve|sme|bf16|fp16|fphp|i8mm|dotprod|rvv|vsx")
VARIABLES = (  # environment variables that change how libraries compute
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)


def environment() -> dict[str, str]:
    """Describe this machine and its Python packages."""
    versions = {f"package {package.name}": package.version for package in distributions()}
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    return versions | {
        "system": f"{platform.system()} {platform.machine()}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "processor": processor(),
        "GPU": gpu(),
        "variables": " ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ),
        "abreast": hashlib.sha256(b"".join(file.read_bytes() for file in code)).hexdigest()[:12],
    }


def difference(worker: dict[str, str], head: dict[str, str]) -> str:
    """Describe how a worker's environment differs from the head's; empty if it does not.

    Packages that only one of them has are ignored.

    >>> difference({"Python": "3.12"}, {"Python": "3.11"})
    'Python 3.12 there, 3.11 here'
    """
    differences = []
    for name, value in head.items():
        other = worker.get(name, value if name.startswith("package ") else "")
        if other != value and name == "processor":
            differences.append(processor_difference(set(other.split()), set(value.split())))
        elif other != value:
            differences.append(f"{name.removeprefix('package ')} {other or 'none'} there, {value or 'none'} here")
    more = f", and {len(differences) - 3} more" if len(differences) > 3 else ""
    return "; ".join(differences[:3]) + more


def processor_difference(worker: set[str], head: set[str]) -> str:
    """Name the processor flags that only one machine has."""
    only = [(sorted(head - worker), "here"), (sorted(worker - head), "there")]
    return "processor: " + ", ".join(f"{' '.join(flags[:6])} only {where}" for flags, where in only if flags)


def processor() -> str:
    """Return vendor and vector flags of the processor: libraries choose their kernels by them."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return platform.processor()
    fields = dict(re.findall(r"^(vendor_id|CPU implementer|flags|Features)\s*:\s*(.*)$", cpuinfo.read_text(), re.M))
    vendor = fields.get("vendor_id") or fields.get("CPU implementer", "")
    flags = sorted(flag for flag in " ".join(fields.values()).split() if VECTOR_FLAGS.match(flag))
    return " ".join([vendor, *flags]).strip()


def gpu() -> str:
    """Return name and driver of the GPUs."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return " ".join(subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    except (OSError, subprocess.SubprocessError):
        return ""
