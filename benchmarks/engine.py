"""Measure training speed in images/s: the engine against a plain PyTorch loop, skorch and Lightning.

python -m benchmarks.engine             all variants; `make bench` installs skorch and Lightning first
python -m benchmarks.engine base wide   these variants; writes nothing

Each variant is trained with 1 thread and with all cores, in fp32 and, if the processor has it, in bf16. The loops take
turns, each in a new process. A speed is the median over all epochs measured. Max-pooling and the copies of the stage
augment are timed as well. Writes a file in benchmarks/results/ for each instruction set, as avx2.json, and the tables
of docs/performance.md.
"""

import argparse
import functools
import importlib.util
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion.files import with_section
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
PEERS = {"skorch": ("skorch", ["fp32"]), "lightning": ("pytorch_lightning", ["fp32", "bf16"])}  # module, precisions
PEER_VARIANTS = ("base_cnn", "final_cnn")
# Images, channels and side of the first maps of four variants.
POOLING_SIZES = {"bn_cnn": (100, 6, 24), "kernel_5": (1000, 8, 24), "keras_1": (128, 16, 28), "base_cnn": (256, 32, 30)}
NUMBA_MODULES = ("numba.np.arraymath", "numba.np.polynomial", "numba.cpython.setobj", "numba.experimental.jitclass")
ROUNDS = 2
MAX_EPOCHS = 3  # measured in a round
MAX_SECONDS = 2.0  # of a round; no epoch starts later
FLOPS_PER_EPOCH = 10e9  # about: an epoch takes 0.1 s or more


@dataclass(frozen=True)
class Case:
    """A variant in one training loop. loop: a key of `loops.LOOPS`."""

    variant: str
    threads: int
    loop: str
    precision: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", help="measure these variants, and write nothing (default: all)")
    arguments = parser.parse_args()
    names = arguments.variants or list(load_params().variants)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    minutes = len(names) / 60 * 20, len(names) / 60 * 27  # with bf16, on AVX2
    print(f"{len(names)} variants on {cores} cores: {minutes[0]:.0f} to {minutes[1]:.0f} minutes", flush=True)
    machine = run_in_process(describe_machine, cores)
    peak = machine["matmul_peak_gflops"]
    print(f"{machine['cpu']}, {instruction_set(machine)}; matmul peak in GFLOP/s: {peak}", flush=True)
    precisions = ["bf16", "fp32"] if machine["bf16"] else ["fp32"]
    rows = []
    for name in names:
        for threads in sorted({1, cores}):
            speeds, flops = measure_speeds(
                name, threads, [("plain", "fp32"), *[("engine", precision) for precision in precisions]]
            )
            for precision in precisions:
                row = {"system": name, "threads": threads, "precision": precision}
                row |= speeds_and_ratio("plain", speeds["plain", "fp32"], speeds["engine", precision])
                row["peak_share"] = round(row["engine"] * flops / 1e9 / peak[precision][str(threads)], 3)
                rows.append(row)
                print(format_row(row), flush=True)
    peers = []
    for name in [name for name in PEER_VARIANTS if name in names]:
        for peer, (module, peer_precisions) in PEERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"{peer} is not installed: left out (pip install -r benchmarks/requirements.txt)")
                continue
            for precision in [precision for precision in precisions if precision in peer_precisions]:
                speeds, _ = measure_speeds(name, cores, [(peer, precision), ("engine", precisions[0])])
                row = {"peer": peer, "system": name, "threads": cores, "precision": precision}
                row |= speeds_and_ratio("peer_speed", speeds[peer, precision], speeds["engine", precisions[0]])
                peers.append(row)
                print(
                    f"{peer:10} {precision} {name:9} {row['peer_speed']:>6} images/s, {row['ratio']:.2f}x", flush=True
                )
    results = {
        "machine": machine,
        "geometric_mean": geometric_means(rows),
        "rows": rows,
        "peers": peers,
        "pooling": [row for precision in precisions for row in run_in_process(time_pooling, precision)],
        "augment": run_in_process(time_augment),
    }
    for key in ("geometric_mean", "pooling", "augment"):
        print(f"{key}: {json.dumps(results[key])}")
    if not arguments.variants:
        path = ROOT / "benchmarks/results" / f"{'_'.join(instruction_set(machine).lower().split())}.json"
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        all_results = [json.loads(path.read_text(encoding="utf-8")) for path in result_files(ROOT)]
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "bench", tables(all_results)), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)} and the tables of {PAGE.relative_to(ROOT)}")


def result_files(root: Path) -> list[Path]:
    """List the files of results, one for each instruction set."""
    return sorted((root / "benchmarks/results").glob("*.json"))


def instruction_set(machine: dict[str, Any]) -> str:
    """Name the processor's instruction set, which decides speed and rounding: AVX2, AVX512, AVX512 bf16."""
    return f"{machine['capability']} bf16" if machine["bf16"] else str(machine["capability"])


def run_in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process, which has imported torch and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    # The server imports torch, and what Numba imports at the first call of a kernel, once for all processes.
    family = "fashion.networks.families.ramped_cnn"
    context.set_forkserver_preload(
        ["benchmarks.loops", family, "torch.utils.flop_counter", "torch._dynamo", *NUMBA_MODULES]
    )
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def measure_speeds(name: str, threads: int, loops: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], float], float]:
    """Let the loops take turns; give the median images/s of each, and the floating-point operations per image.

    loops: keys of `loops.LOOPS`, each with a precision.
    """
    speeds: dict[tuple[str, str], list[float]] = {loop: [] for loop in loops}
    flops = cached_flops(name)
    for _ in range(ROUNDS):
        for loop in loops:
            speeds[loop] += run_in_process(epoch_speeds, Case(name, threads, *loop), flops)
    return {loop: statistics.median(values) for loop, values in speeds.items()}, flops


@functools.cache
def cached_flops(name: str) -> float:
    return float(run_in_process(flops_per_image, name))


def epoch_speeds(case: Case, flops: float) -> list[float]:
    """Train short epochs; give the images/s of each except the first. Slow loops get fewer epochs.

    flops: per image; they decide the number of images in an epoch.
    """
    import torch

    from benchmarks import loops
    from fashion.sources.idx import read_idx, read_idx_images

    folder = ROOT / "tests/data"
    variant = load_params().variants[case.variant]
    num_images = variant.batch_size * min(max(round(FLOPS_PER_EPOCH / flops / variant.batch_size), 2), 20)
    images = loops.FRAME.centred(read_idx_images(folder / "train-images-idx3-ubyte.gz"))
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz", dimensions=1, sha256=None)
    indices = torch.arange(num_images) % len(images)
    targets = torch.tensor(labels, dtype=torch.int64)[indices]
    epoch = loops.LOOPS[case.loop](variant, torch.from_numpy(images)[indices], targets, case.threads, case.precision)
    speeds: list[float] = []
    epoch()  # loads code and allocates memory
    start = time.perf_counter()
    while len(speeds) < MAX_EPOCHS and time.perf_counter() - start < MAX_SECONDS:
        epoch_start = time.perf_counter()
        epoch()
        speeds.append(num_images / (time.perf_counter() - epoch_start))
    return speeds


def flops_per_image(name: str) -> float:
    """Count the floating-point operations of products and convolutions, forward and backward, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks import loops

    variant = load_params().variants[name]
    model = loops.as_published(loops.build_network(variant))
    batch = torch.zeros(8, loops.FRAME.channels, *loops.input_size(variant))
    with FlopCounterMode(display=False) as counter:
        model(batch).sum().backward()
    return counter.get_total_flops() / len(batch)


def describe_machine(cores: int) -> dict:
    """Describe the machine, and measure the peak rate of a 2048 x 2048 matrix product in each precision it has."""
    import torch

    from fashion.classifier.device import has_bf16

    bf16 = has_bf16(torch.device("cpu"))  # without it, such a product takes 14 seconds
    peak: dict[str, dict[str, int]] = {}
    for precision, dtype in ([("bf16", torch.bfloat16)] if bf16 else []) + [("fp32", torch.float32)]:
        peak[precision] = {}
        for threads in sorted({1, cores}):
            torch.set_num_threads(threads)
            a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
            seconds = []
            for _ in range(10):
                start = time.perf_counter()
                a @ b
                seconds.append(time.perf_counter() - start)
            peak[precision][str(threads)] = round(2 * 2048**3 / statistics.median(seconds) / 1e9)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": cores,
        "bf16": bf16,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "matmul_peak_gflops": peak,
    }


def time_pooling(precision: str) -> list[dict]:
    """Time `MaxPool` with ReLU against PyTorch's layers, forward and backward, with one thread; medians of nine."""
    import torch
    from torch import nn

    from benchmarks import loops
    from fashion.classifier.device import configure_torch
    from fashion.networks.building.pooling import MaxPool

    configure_torch(1)
    dtype = loops.DTYPES[precision]
    rows = []
    for name, (images, channels, side) in POOLING_SIZES.items():
        maps = torch.randn(images, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
        maps.requires_grad_()
        gradient = torch.ones(images, channels, side // 2, side // 2, dtype=dtype)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        times: dict[str, list[float]] = {"torch": [], "engine": []}
        layers = {"torch": nn.Sequential(nn.MaxPool2d(2), nn.ReLU(inplace=True)), "engine": MaxPool(2, relu=True)}
        for _ in range(10):
            for key, layer in layers.items():
                start = time.perf_counter()
                layer(maps).backward(gradient)
                times[key].append(time.perf_counter() - start)
                maps.grad = None
        seconds = {key: statistics.median(values[1:]) for key, values in times.items()}  # the first call compiles
        row = {key: round(value * 1e3, 2) for key, value in seconds.items()}
        ratio = round(seconds["torch"] / seconds["engine"], 2)
        rows.append({"system": name, "precision": precision, "maps": maps.shape, **row, "ratio": ratio})
    return rows


def time_augment() -> dict[str, float]:
    """Time `augment` against a loop over `scipy.ndimage.zoom`, in images/s for 1,000 images; medians of five.

    Each time of `augment` is the mean of twenty calls, as its stage calls it for one thousand images after another.
    """
    import numpy as np
    import scipy.ndimage

    from benchmarks import loops
    from fashion.images.copies import augment
    from fashion.sources.idx import read_idx_images

    images = loops.FRAME.centred(read_idx_images(ROOT / "tests/data/train-images-idx3-ubyte.gz"))
    images = np.tile(images, (3, 1, 1, 1))[:1000]

    def loop() -> np.ndarray:
        grey = images[:, 0]
        zoomed = [scipy.ndimage.zoom(image[2:-2, 2:-2], 32 / 28, order=0) for image in grey]
        copies = [[image, image[:, ::-1], zoom, zoom[:, ::-1]] for image, zoom in zip(grey, zoomed, strict=True)]
        return np.array(copies).reshape(-1, 1, 32, 32)

    times: dict[str, list[float]] = {"loop": [], "augment": []}

    def copies() -> np.ndarray:
        return augment(images, crop=2, background=loops.FRAME.background)

    assert (loop() == copies()).all()
    for _ in range(5):
        for name, function, calls in (("loop", loop, 1), ("augment", copies, 20)):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            times[name].append((time.perf_counter() - start) / calls)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    return {
        "loop": round(len(images) / seconds["loop"]),
        "augment": round(len(images) / seconds["augment"]),
        "ratio": round(seconds["loop"] / seconds["augment"], 1),
    }


def load_params() -> Params:
    return check(load_yaml(ROOT / "params.yaml"), source="params.yaml")


def speeds_and_ratio(key: str, other: float, engine: float) -> dict[str, float]:
    """Give two speeds, rounded, and how many times faster the engine is. key: of the other speed."""
    return {key: round(other), "engine": round(engine), "ratio": round(engine / other, 2)}


def geometric_means(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Give the geometric mean of the ratios, and the lowest ratio, by precision and number of threads."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
        groups.setdefault(f"{row['precision']}, {threads}", []).append(row["ratio"])
    return {
        name: {"mean": round(statistics.geometric_mean(ratios), 2), "lowest": min(ratios)}
        for name, ratios in groups.items()
    }


def format_row(row: dict) -> str:
    return (
        f"{row['system']:15} {row['threads']} x {row['precision']}: plain {row['plain']:>7} images/s, "
        f"engine {row['engine']:>7}, {row['ratio']:5.2f}x, {row['peak_share']:.0%} of peak"
    )


def tables(all_results: list[dict]) -> str:
    """Format the results as Markdown: the means for all instruction sets, then the tables of each."""
    text = "\n| processor | precision and threads | geometric mean | lowest |\n| --- | --- | --: | --: |\n"
    for results in all_results:
        for name, group in results["geometric_mean"].items():
            processor = instruction_set(results["machine"])
            text += f"| {processor} | {name} | {group['mean']:.2f}x | {group['lowest']:.2f}x |\n"
    return text + "".join(map(machine_tables, all_results)) + "\n"


def machine_tables(results: dict) -> str:
    """Format the results of one machine."""
    machine = results["machine"]
    peak = machine["matmul_peak_gflops"]
    text = f"\n### {instruction_set(machine)}\n\n{machine['cpu']}, {machine['cores']} cores, "
    text += f"torch {machine['torch']}, Python {machine['python']}. "
    text += "Peak of a matrix product: "
    text += "; ".join(
        f"{precision} " + ", ".join(f"{value} GFLOP/s with {threads}" for threads, value in values.items())
        for precision, values in peak.items()
    )
    text += " threads.\n"
    text += "\n| system | threads | precision | plain, images/s | engine, images/s | ratio | of peak |\n"
    text += "| --- | --: | --- | --: | --: | --: | --: |\n"
    for row in results["rows"]:
        text += f"| {row['system']} | {row['threads']} | {row['precision']} | {row['plain']:,} | {row['engine']:,} "
        text += f"| {row['ratio']:.2f}x | {row['peak_share']:.0%} |\n"
    engine = "bf16" if machine["bf16"] else "fp32"
    text += f"\n| library | system | threads | its precision | its images/s | engine in {engine}, images/s | ratio |\n"
    text += "| --- | --- | --: | --- | --: | --: | --: |\n"
    for row in results["peers"]:
        text += f"| {row['peer']} | {row['system']} | {row['threads']} | {row['precision']} | {row['peer_speed']:,} "
        text += f"| {row['engine']:,} | {row['ratio']:.2f}x |\n"
    text += "\n| first maps of | size | precision | max-pool and ReLU of PyTorch, ms | of the engine, ms | ratio |\n"
    text += "| --- | --- | --- | --: | --: | --: |\n"
    for row in results["pooling"]:
        size = " x ".join(str(side) for side in row["maps"])
        text += f"| {row['system']} | {size} | {row['precision']} | {row['torch']:.2f} | {row['engine']:.2f} "
        text += f"| {row['ratio']:.2f}x |\n"
    augment = results["augment"]
    text += f"\n`augment`: {augment['augment']:,} images/s, a loop over `scipy.ndimage.zoom` {augment['loop']:,}: "
    return text + f"{augment['ratio']:.0f}x.\n"


if __name__ == "__main__":
    main()
