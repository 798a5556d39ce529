"""Measure the training engine against the loop of the write-ups, on the same work, in one run.

Every system, with 1 thread and with all cores, in fp32 and, where the processor has it, bf16. The ways take turns, each
in a fresh process; a figure is the median of all their repeats. Writes a file of benchmarks/results/, one for each
kind of processor, and the tables of docs/performance.md.
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
PEERS = {"skorch": ("skorch", ["fp32"]), "lightning": ("pytorch_lightning", ["fp32", "bf16"])}
PEER_SYSTEMS = ("base_cnn", "final_cnn")
POOLED = {"bn_cnn": (100, 6, 24), "kernel_5": (1000, 8, 24), "keras_1": (128, 16, 28), "base_cnn": (256, 32, 30)}
OF_NUMBA = ("numba.np.arraymath", "numba.np.polynomial", "numba.cpython.setobj", "numba.experimental.jitclass")
ROUNDS, REPEATS = 2, 3
ENOUGH = 2.0  # seconds of measuring in a round, after which there are no more repeats
WORK = 10e9  # floating-point operations in a repeat, about: a tenth of a second and more


@dataclass(frozen=True)
class Case:
    """One system in one way; `way` is a key of `loops.LOOPS`."""

    system: str
    threads: int
    way: str
    precision: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", help="variants; then nothing is written (default: all)")
    arguments = parser.parse_args()
    names = arguments.systems or list(settings().variants)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    minutes = len(names) / 60 * 20, len(names) / 60 * 27  # with bf16, on AVX2
    print(f"{len(names)} systems on {cores} cores: {minutes[0]:.0f} to {minutes[1]:.0f} minutes", flush=True)
    machine = ask(describe, cores)
    print(f"{machine['cpu']}, {kind_of(machine)}; matmul peak in GFLOP/s: {machine['matmul_peak_gflops']}", flush=True)
    precisions = ["bf16", "fp32"] if machine["bf16"] else ["fp32"]
    rows = []
    for name in names:
        for threads in sorted({1, cores}):
            ways = [("plain", "fp32"), *[("engine", precision) for precision in precisions]]
            speeds, flops = measure(name, threads, ways)
            for precision in precisions:
                row = {"system": name, "threads": threads, "precision": precision}
                row |= compared(speeds["plain", "fp32"], speeds["engine", precision])
                peak = machine["matmul_peak_gflops"][precision][str(threads)]
                row["peak_share"] = round(row["engine"] * flops / 1e9 / peak, 3)
                rows.append(row)
                print(line(row), flush=True)
    peers = []
    for name in [name for name in PEER_SYSTEMS if name in names]:
        for peer, (module, their_precisions) in PEERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"{peer} is not installed: left out (pip install -r benchmarks/requirements.txt)")
                continue
            for precision in [precision for precision in precisions if precision in their_precisions]:
                speeds, _ = measure(name, cores, [(peer, precision), ("engine", precisions[0])])
                row = {"peer": peer, "system": name, "threads": cores, "precision": precision}
                row |= compared(speeds[peer, precision], speeds["engine", precisions[0]], them_as="peer_speed")
                peers.append(row)
                print(
                    f"{peer:10} {precision} {name:9} {row['peer_speed']:>6} images/s, {row['ratio']:.2f}x", flush=True
                )
    results = {
        "machine": machine,
        "geometric_mean": means(rows),
        "rows": rows,
        "peers": peers,
        "pooling": [row for precision in precisions for row in ask(pooling_speed, precision)],
        "augment": ask(augment_speed),
    }
    for key in ("geometric_mean", "pooling", "augment"):
        print(f"{key}: {json.dumps(results[key])}")
    if not arguments.systems:
        path = ROOT / "benchmarks/results" / f"{'_'.join(kind_of(machine).lower().split())}.json"
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        measured = [json.loads(path.read_text(encoding="utf-8")) for path in results_in(ROOT)]
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "bench", tables(measured)), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)} and the tables of {PAGE.relative_to(ROOT)}")


def results_in(root: Path) -> list[Path]:
    """List what was measured, a file for each kind of processor."""
    return sorted((root / "benchmarks/results").glob("*.json"))


def kind_of(machine: dict[str, Any]) -> str:
    """Name the kind of processor that decides speed and rounding: AVX2, AVX512, AVX512 bf16."""
    return f"{machine['capability']} bf16" if machine["bf16"] else str(machine["capability"])


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process, which has torch imported and nothing computed."""
    context = multiprocessing.get_context("forkserver")
    # With them torch, and what Numba imports when a kernel first runs: each process would otherwise do so anew.
    families = "fashion.networks.families.ramped_cnn"
    context.set_forkserver_preload(["loops", families, "torch.utils.flop_counter", "torch._dynamo", *OF_NUMBA])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def measure(name: str, threads: int, ways: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], float], float]:
    """Let the ways take turns; give the median images a second of each, and the operations that an image takes."""
    speeds: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    flops = operations(name)
    for _ in range(ROUNDS):
        for way in ways:
            speeds[way] += ask(speed, Case(name, threads, *way), flops)
    return {way: statistics.median(all_) for way, all_ in speeds.items()}, flops


@functools.cache
def operations(name: str) -> float:
    return float(ask(flops_per_image, name))


def speed(case: Case, flops: float) -> list[float]:
    """Train a few short epochs; give the images a second of each but the first; the longer one takes, the fewer."""
    import torch

    import loops
    from fashion.sources.idx import read_idx

    folder = ROOT / "tests/data"
    what = settings().variants[case.system]
    count = what.batch_size * min(max(round(WORK / flops / what.batch_size), 2), 20)
    images = read_idx(folder / "train-images-idx3-ubyte.gz", dimensions=3, sha256=None)
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz", dimensions=1, sha256=None)
    padded = torch.nn.functional.pad(torch.tensor(images), (2, 2, 2, 2))  # 32 x 32, as ingest does
    repeated = torch.arange(count) % len(images)
    wanted = torch.tensor(labels, dtype=torch.int64)[repeated]
    epoch = loops.LOOPS[case.way](what, padded[repeated], wanted, case.threads, case.precision)
    speeds: list[float] = []
    epoch()  # in which code is loaded and memory asked for
    start = time.perf_counter()
    while len(speeds) < REPEATS and time.perf_counter() - start < ENOUGH:
        begun = time.perf_counter()
        epoch()
        speeds.append(count / (time.perf_counter() - begun))
    return speeds


def flops_per_image(name: str) -> float:
    """Count the floating-point operations of products and convolutions, forward and backward, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    import loops

    what = settings().variants[name]
    model = loops.as_published(loops.build(what))
    side = what.input.side(loops.CONTENT)
    batch = torch.zeros(8, 1, side, side)
    with FlopCounterMode(display=False) as counter:
        model(batch).sum().backward()
    return counter.get_total_flops() / len(batch)


def describe(cores: int) -> dict:
    """Describe the machine, and measure the peak of a matrix product of 2048 x 2048 in the precisions that it has."""
    import torch

    from fashion.classifier.device import has_bf16

    bf16 = has_bf16(torch.device("cpu"))  # elsewhere such a product takes 14 seconds
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
    info = Path("/proc/cpuinfo")
    rows = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
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


def pooling_speed(precision: str) -> list[dict]:
    """Time `MaxPool` with ReLU, forward and back, against PyTorch's, on first maps and one thread; medians of nine."""
    import torch
    from torch import nn

    import loops
    from fashion.classifier.device import prepare_to_compute
    from fashion.networks.building.pooling import MaxPool

    prepare_to_compute(1)
    dtype = loops.DTYPES[precision]
    rows = []
    for system, (images, channels, size) in POOLED.items():
        maps = torch.randn(images, channels, size, size).to(dtype).contiguous(memory_format=torch.channels_last)
        maps.requires_grad_()
        gradient = torch.ones(images, channels, size // 2, size // 2, dtype=dtype)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        times: dict[str, list[float]] = {"torch": [], "engine": []}
        ways = {"torch": nn.Sequential(nn.MaxPool2d(2), nn.ReLU(inplace=True)), "engine": MaxPool(2, relu=True)}
        for _ in range(10):
            for name, way in ways.items():
                start = time.perf_counter()
                way(maps).backward(gradient)
                times[name].append(time.perf_counter() - start)
                maps.grad = None
        seconds = {name: statistics.median(all_[1:]) for name, all_ in times.items()}  # the first compiles
        row = {name: round(value * 1e3, 2) for name, value in seconds.items()}
        ratio = round(seconds["torch"] / seconds["engine"], 2)
        rows.append({"system": system, "precision": precision, "maps": maps.shape, **row, "ratio": ratio})
    return rows


def augment_speed() -> dict[str, float]:
    """Time `augment` against a loop over `scipy.ndimage.zoom`, on 1,000 images; the medians of five.

    `augment` takes them twenty times over, as its stage takes one thousand after the other.
    """
    import numpy as np
    import scipy.ndimage

    from fashion.images.copies import augment
    from fashion.sources.idx import read_idx

    images = read_idx(ROOT / "tests/data/train-images-idx3-ubyte.gz", dimensions=3, sha256=None)
    images = np.tile(np.pad(images, ((0, 0), (2, 2), (2, 2))), (3, 1, 1))[:1000]

    def loop() -> np.ndarray:
        zoomed = [scipy.ndimage.zoom(image[2:-2, 2:-2], 32 / 28, order=0) for image in images]
        copies = [[image, image[:, ::-1], zoom, zoom[:, ::-1]] for image, zoom in zip(images, zoomed, strict=True)]
        return np.array(copies).reshape(-1, 32, 32)

    times: dict[str, list[float]] = {"loop": [], "augment": []}
    assert (loop() == augment(images, crop=2)).all()
    for _ in range(5):
        for name, function, rounds in (("loop", loop, 1), ("augment", lambda: augment(images, crop=2), 20)):
            start = time.perf_counter()
            for _ in range(rounds):
                function()
            times[name].append((time.perf_counter() - start) / rounds)
    seconds = {name: statistics.median(all_) for name, all_ in times.items()}
    return {
        "loop": round(len(images) / seconds["loop"]),
        "augment": round(len(images) / seconds["augment"]),
        "ratio": round(seconds["loop"] / seconds["augment"], 1),
    }


def settings() -> Params:
    return check(load_yaml(ROOT / "params.yaml"), source="params.yaml")


def compared(them: float, engine: float, *, them_as: str = "plain") -> dict[str, float]:
    return {them_as: round(them), "engine": round(engine), "ratio": round(engine / them, 2)}


def means(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Give the geometric mean of the ratios by precision and number of threads, and the lowest ratio."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
        groups.setdefault(f"{row['precision']}, {threads}", []).append(row["ratio"])
    return {
        name: {"mean": round(statistics.geometric_mean(ratios), 2), "lowest": min(ratios)}
        for name, ratios in groups.items()
    }


def line(row: dict) -> str:
    return (
        f"{row['system']:15} {row['threads']} x {row['precision']}: plain {row['plain']:>7} images/s, "
        f"engine {row['engine']:>7}, {row['ratio']:5.2f}x, {row['peak_share']:.0%} of peak"
    )


def tables(measured: list[dict]) -> str:
    """Write what was measured as Markdown: the means of all kinds of processors, then each kind's figures."""
    text = "\n| processor | precision and threads | geometric mean | lowest |\n| --- | --- | --: | --: |\n"
    for results in measured:
        for name, group in results["geometric_mean"].items():
            text += f"| {kind_of(results['machine'])} | {name} | {group['mean']:.2f}x | {group['lowest']:.2f}x |\n"
    return text + "".join(map(tables_of, measured)) + "\n"


def tables_of(results: dict) -> str:
    """Write the figures of one kind of processor."""
    machine = results["machine"]
    peak = machine["matmul_peak_gflops"]
    text = f"\n### {kind_of(machine)}\n\n{machine['cpu']}, {machine['cores']} cores, "
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
