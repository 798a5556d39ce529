"""What a machine computes with: of two that agree in all of this, the same bytes are expected."""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

VECTORS = re.compile("sse4|ssse3|avx|amx|fma|f16c|asimd|neon|sve|sme|bf16|fp16|fphp|i8mm|dotprod|rvv|vsx")
SWITCHES = (  # environment variables that have libraries compute in another way
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)


def environment() -> dict[str, str]:
    """Describe this machine and this Python."""
    versions = {f"package {found.name}": found.version for found in distributions()}
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    return versions | {
        "system": f"{platform.system()} {platform.machine()}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "processor": processor(),
        "GPU": gpu(),
        "switches": " ".join(f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ),
        "abreast": hashlib.sha256(b"".join(file.read_bytes() for file in code)).hexdigest()[:12],
    }


def difference(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """Say in what their machine differs from ours, or nothing. Packages that one of the two lacks do not count."""
    words = []
    for name, mine in ours.items():
        other = theirs.get(name, mine if name.startswith("package ") else "")
        if other != mine and name == "processor":
            words.append(processors(set(other.split()), set(mine.split())))
        elif other != mine:
            words.append(f"{name.removeprefix('package ')} {other or 'none'} there, {mine or 'none'} here")
    more = f", and {len(words) - 3} more" if len(words) > 3 else ""
    return "; ".join(words[:3]) + more


def processors(theirs: set[str], ours: set[str]) -> str:
    """Say which processor can do what the other cannot."""
    only = [(sorted(ours - theirs), "here"), (sorted(theirs - ours), "there")]
    return "processor: " + ", ".join(f"{' '.join(names[:6])} only {where}" for names, where in only if names)


def processor() -> str:
    """Give the maker and the vector instructions of the processor, after which libraries choose their kernels."""
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return platform.processor()
    about = dict(re.findall(r"^(vendor_id|CPU implementer|flags|Features)\s*:\s*(.*)$", information.read_text(), re.M))
    maker = about.get("vendor_id") or about.get("CPU implementer", "")
    return " ".join(
        [maker, *sorted(flag for flag in " ".join([*about.values()]).split() if VECTORS.match(flag))]
    ).strip()


def gpu() -> str:
    """Name the GPUs that a stage would see."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return " ".join(subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    except (OSError, subprocess.SubprocessError):
        return ""
