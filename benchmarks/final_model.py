"""Train the final model with other settings, one training after another, and measure accuracy and time.

python -m benchmarks.final_model robust   on corrupted images (`model.corruption.share: 0.3`), with three seeds; writes
                                          benchmarks/robust.json
python -m benchmarks.final_model study    with several widths and numbers of epochs, compared on validation images;
                                          writes benchmarks/study.json, and a table and a plot for docs/final_model.md
python -m benchmarks.final_model refit    on test images, of the models in models/ and data/seeds/, before and after the
                                          training on all images; writes benchmarks/refit.json and a table for that page

They need data/split: run `dvc repro split` first; and refit the models of `make seeds N=3 SYSTEMS=final`. Run nothing
else on the machine, since trainings are timed. Trainings are kept in logs/final_model/ and are reused while their code,
settings and images are the same.
"""

import argparse
import functools
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from fashion.files import with_section

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/final_model.md"
PLOT = PAGE.with_suffix(".svg")
SEEDS = (0, 1, 2)
SHARE = 0.3  # of the training images are corrupted for `robust`
# Channels of each block, and epochs of the phases main and finetune.
STUDY = [
    ([16, 64, 64], 12, 1),
    ([32, 128, 128], 6, 1),
    ([32, 128, 128], 12, 1),
    ([32, 128, 128], 24, 2),
    ([32, 128, 128], 48, 2),
    ([64, 256, 256], 6, 1),
    ([64, 256, 256], 12, 1),
    ([64, 256, 256], 24, 2),
    ([64, 256, 256], 36, 2),
    ([96, 384, 384], 12, 1),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["robust", "study", "refit"])
    parser.add_argument("--folder", type=Path, default=ROOT / "logs/final_model", help="folder of the kept trainings")
    arguments = parser.parse_args()
    if not (ROOT / "data/split/labelled_images.npy").exists():
        sys.exit("error: data/split: no images; run `dvc repro split` first")
    {"robust": robust, "study": study, "refit": refit}[arguments.benchmark](arguments.folder)


def robust(folder: Path) -> None:
    """Train on corrupted images with each seed; also average the accuracies on corrupted test images."""
    corruption = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["corruption"]
    results, metrics = train_with_seeds(folder, "robust", {"corruption": {**corruption, "share": SHARE}})
    results["robustness"] = [
        {
            "change": rows[0]["change"],
            "amount": rows[0]["amount"],
            "accuracy": round(statistics.mean(row["accuracy"] for row in rows), 5),
        }
        for rows in zip(*(of_seed["robustness"] for of_seed in metrics), strict=True)
    ]
    write_results("robust", results)


def train_with_seeds(folder: Path, name: str, model: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train and evaluate with each seed; give the results with their means, and all metrics of each seed.

    model: replaces settings of the section `model`.
    """
    rows, metrics = [], []
    for seed in SEEDS:
        project = folder / f"{name}_{seed}"
        threads = {"threads": os.cpu_count() or 1}  # for a faster evaluation
        seconds = train(project, {"finetune": {"seed": seed}, "train": threads, "model": model})
        scores = project / "data/evaluated/final.json"
        if not scores.exists():
            subprocess.run([sys.executable, "-m", "stages.models.evaluate", "final"], cwd=project, check=True)
        metrics.append(json.loads(scores.read_text(encoding="utf-8")))
        rows.append(
            {
                "seed": seed,
                "seconds": round(seconds),
                "val_accuracy": metrics[-1]["val_accuracy"],
                "test_accuracy": metrics[-1]["test_accuracy"],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    results: dict[str, Any] = {"cpu": metrics[0]["environment"]["cpu"], "rows": rows}
    for key in ("seconds", "val_accuracy", "test_accuracy"):
        values = [row[key] for row in rows]
        results[key] = {"mean": round(statistics.mean(values), 5), "deviation": round(statistics.stdev(values), 5)}
    return results, metrics


def study(folder: Path) -> None:
    """Train each row of `STUDY` with the seed of params.yaml, and evaluate it on validation images."""
    rows = []
    for channels, main_epochs, finetune_epochs in STUDY:
        size = {"arguments": {"channels": channels}, "max_epochs": {"main": main_epochs, "finetune": finetune_epochs}}
        name = "_".join(map(str, [*channels, main_epochs, finetune_epochs]))
        project = folder / name
        seconds = train(
            project, {"model": {"size": "study", "sizes": {"study": size}, "refit": False}, "audit": {"size": "study"}}
        )
        accuracy, parameters = evaluate(project)
        rows.append(
            {
                "channels": channels,
                "epochs": [main_epochs, finetune_epochs],
                "parameters": parameters,
                "seconds": round(seconds),
                "val_accuracy": accuracy,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    plot_study(rows, PLOT)
    write_results("study", rows, study_table(rows))


def refit(_: Path) -> None:
    """Score the final models of all seeds on test images, each before and after it was trained once more."""
    from fashion.classifier.device import configure_torch, select_device
    from fashion.classifier.ensemble import Ensemble
    from fashion.classifier.model_file import load
    from fashion.files import read_array

    configure_torch(os.cpu_count() or 1)
    images, labels = (read_array(ROOT / f"data/split/test_{name}.npy") for name in ("images", "labels"))
    rows = []
    for path in (ROOT / "models/final.safetensors", *sorted((ROOT / "data/seeds/models").glob("final-*.safetensors"))):
        ensemble = load(path)
        if ensemble.refit is None:
            sys.exit(f"error: {path}: was not trained once more; set model.refit: true and run `make repro`")
        before, after = (
            float(np.mean(used.predict(images, select_device()).labels == labels))
            for used in (Ensemble(ensemble.members), ensemble)
        )
        rows.append({"model": path.stem, "before": before, "after": after})
        print(json.dumps(rows[-1]), flush=True)
    write_results("refit", rows, refit_table(rows))


def refit_table(rows: list[dict]) -> str:
    text = "\n| model | before | after |\n| --- | --: | --: |\n"
    for row in rows:
        text += f"| {row['model']} | {row['before']:.4f} | {row['after']:.4f} |\n"
    means = [statistics.mean(row[key] for row in rows) for key in ("before", "after")]
    return text + f"| mean | {means[0]:.4f} | {means[1]:.4f} |\n\n"


def train(project: Path, changes: dict[str, dict[str, Any]]) -> float:
    """Run the stage finetune in its own folder; give the seconds that it took.

    project: a folder; its training is reused if it has the same code, settings and images. changes: settings to replace
    in params.yaml, by section.

    >>> train(Path("logs/final_model/robust_1"), {"finetune": {"seed": 1}})
    """
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for section, values in changes.items():
        params[section].update(values)
    new_fingerprint = fingerprint(params)
    finished = project / "finished.json"
    if finished.exists():
        kept = json.loads(finished.read_text(encoding="utf-8"))
        if kept.get("fingerprint") == new_fingerprint:
            return float(kept["seconds"])
    shutil.rmtree(project, ignore_errors=True)
    (project / "data").mkdir(parents=True)
    for data in ("ingested", "split"):
        (project / "data" / data).symlink_to(ROOT / "data" / data)
    for code in ("src", "stages"):
        shutil.copytree(ROOT / code, project / code, ignore=shutil.ignore_patterns("__pycache__"))
    yaml.dump(params, project / "params.yaml")
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "stages.models.train", "final"], cwd=project, check=True)
    seconds = time.monotonic() - start
    finished.write_text(json.dumps({"seconds": seconds, "fingerprint": new_fingerprint}), encoding="utf-8")
    return seconds


def fingerprint(params: dict[str, Any]) -> str:
    """Compute SHA-256 over all that a training depends on, as listed in dvc.yaml: settings, code and images."""
    stage = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["finetune"]
    digest = hashlib.sha256()
    for key in stage["params"]:
        value = functools.reduce(lambda group, name: group[name], key.split("."), params)
        digest.update(json.dumps([key, value]).encode())
    for name in stage["deps"]:
        name = name.replace("${model.image_folder}", params["model"]["image_folder"])
        name = name.replace("${model.family}", params["model"]["family"])
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()


def evaluate(project: Path) -> tuple[float, int]:
    """Give the validation accuracy of a folder's model, and its number of parameters."""
    from fashion.classifier.device import configure_torch, select_device
    from fashion.classifier.model_file import load
    from fashion.files import read_array
    from fashion.images.parts import Part, any_member

    configure_torch(os.cpu_count() or 1)
    ensemble = load(project / "models/final.safetensors")
    images, labels, parts = (
        read_array(ROOT / f"data/split/{name}.npy") for name in ("labelled_images", "labelled_labels", "parts")
    )
    chosen = any_member(parts, Part.VALIDATION)
    predicted = ensemble.predict(images[chosen], select_device()).labels
    return float(np.mean(predicted == labels[chosen])), ensemble.num_parameters()


def write_results(name: str, results: Any, text: str | None = None) -> None:
    """Write benchmarks/NAME.json, and the text, if any, into the section NAME of the page."""
    (ROOT / f"benchmarks/{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if text is not None:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")
    print(f"wrote benchmarks/{name}.json; `python -m tools.validate --write` updates the tables of all pages")


def study_table(rows: list[dict]) -> str:
    text = "\n| channels | parameters | epochs | training | validation |\n| --- | --: | --: | --: | --: |\n"
    for row in rows:
        channels, epochs = " ".join(map(str, row["channels"])), " + ".join(map(str, row["epochs"]))
        cells = [channels, f"{row['parameters']:,}", epochs, minutes(row["seconds"]), f"{row['val_accuracy']:.4f}"]
        text += f"| {' | '.join(cells)} |\n"
    return text + f"\n![Validation accuracy against minutes of training]({PLOT.name})\n\n"


def plot_study(rows: list[dict], path: Path) -> None:
    """Plot validation accuracy against minutes of training: a line for each width, its points labelled by epochs."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, PercentFormatter

    lines: dict[str, list[dict]] = {}
    for row in sorted(rows, key=lambda row: row["seconds"]):
        lines.setdefault(" ".join(map(str, row["channels"])), []).append(row)
    # The same rows give the same file: ids from a fixed salt, no date, and text as text.
    with mpl.rc_context({"svg.hashsalt": "study", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for number, (channels, line) in enumerate(lines.items()):
            offset = {"xytext": (6, -10)} if number % 2 else {"xytext": (-6, 4), "horizontalalignment": "right"}
            x, y = [row["seconds"] / 60 for row in line], [row["val_accuracy"] for row in line]
            axes.plot(x, y, marker="o", label=channels)
            for row, *point in zip(line, x, y, strict=True):
                epochs = " + ".join(map(str, row["epochs"]))
                axes.annotate(epochs, tuple(point), textcoords="offset points", fontsize=8, **offset)
        ticks = [1, 2, 4, 8, 16, 32]
        axes.set_xscale("log")
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(1, 32)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=2))
        axes.set_xlabel("minutes of training")
        axes.set_ylabel("validation accuracy, six views")
        axes.grid(alpha=0.3)
        axes.legend(title="channels", loc="lower right")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


if __name__ == "__main__":
    main()
