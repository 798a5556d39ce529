"""Train the final model from nothing in other ways, one after another, and time each.

  robust  on corrupted images, `model.corruption.share: 0.3`, with three seeds: benchmarks/robust.json
  study   at several widths and budgets, judged on validation images: benchmarks/study.json

All need data/split, as `dvc repro split` leaves it, and the machine to themselves; what is done is kept in the folder,
and is not done again as long as it would come out the same. They write their tables and plot into docs/final_model.md.
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
PICTURE = PAGE.with_suffix(".svg")
SEEDS = (0, 1, 2)
SHARE = 0.3  # of the images that `robust` corrupts
# Channels of the blocks, and epochs of the phases main and finetune.
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
    parser.add_argument("what", choices=["robust", "study"])
    parser.add_argument("--folder", type=Path, default=ROOT / "logs/final_model", help="where trainings are kept")
    arguments = parser.parse_args()
    if not (ROOT / "data/split/train_images.npy").exists():
        sys.exit("error: data/split: no training images; run `dvc repro split` first")
    {"robust": robust, "study": study}[arguments.what](arguments.folder)


def robust(folder: Path) -> None:
    """Train on corrupted images and evaluate, with each seed; keep the means on changed images too."""
    corruption = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["corruption"]
    results, figures = trained(folder, "robust", {"corruption": {**corruption, "share": SHARE}})
    results["robustness"] = [
        {
            "change": rows[0]["change"],
            "amount": rows[0]["amount"],
            "accuracy": round(statistics.mean(row["accuracy"] for row in rows), 5),
        }
        for rows in zip(*(of_seed["robustness"] for of_seed in figures), strict=True)
    ]
    write("robust", results)


def trained(folder: Path, name: str, model: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train and evaluate with each seed, with changes to `model`; give what the tables say, and all figures of each."""
    rows, all_figures = [], []
    for seed in SEEDS:
        place = folder / f"{name}_{seed}"
        threads = {"threads": os.cpu_count() or 1}  # to judge faster
        seconds = train(place, {"finetune": {"seed": seed}, "train": threads, "model": model})
        scores = place / "data/evaluated/final.json"
        if not scores.exists():
            subprocess.run([sys.executable, "stages/evaluate.py", "final"], cwd=place, check=True)
        figures = json.loads(scores.read_text(encoding="utf-8"))
        rows.append(
            {
                "seed": seed,
                "seconds": round(seconds),
                "val_accuracy": figures["val_accuracy"],
                "test_accuracy": figures["test_accuracy"],
            }
        )
        all_figures.append(figures)
        print(json.dumps(rows[-1]), flush=True)
    results: dict[str, Any] = {"cpu": all_figures[0]["environment"]["cpu"], "rows": rows}
    for key in ("seconds", "val_accuracy", "test_accuracy"):
        values = [row[key] for row in rows]
        results[key] = {"mean": round(statistics.mean(values), 5), "deviation": round(statistics.stdev(values), 5)}
    return results, all_figures


def study(folder: Path) -> None:
    """Train each way with the first seed, and judge it on validation images."""
    rows = []
    for channels, main_epochs, finetune_epochs in STUDY:
        size = {"arguments": {"channels": channels}, "max_epochs": {"main": main_epochs, "finetune": finetune_epochs}}
        name = "_".join(map(str, [*channels, main_epochs, finetune_epochs]))
        place = folder / name
        seconds = train(place, {"model": {"size": "tried", "sizes": {"tried": size}}})
        accuracy, parameters = judge(place)
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
    draw(rows, PICTURE)
    write("study", rows, study_table(rows))


def train(place: Path, changes: dict[str, dict[str, Any]]) -> float:
    """Run the stage finetune in a folder of its own, with changes to sections; give the seconds it took.

    A training that the folder keeps is not done again while code, settings and images are the same.
    """
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for section, values in changes.items():
        params[section].update(values)
    made_of = fingerprint(params)
    finished = place / "finished.json"
    if finished.exists():
        kept = json.loads(finished.read_text(encoding="utf-8"))
        if kept["made_of"] == made_of:
            return float(kept["seconds"])
    shutil.rmtree(place, ignore_errors=True)
    (place / "data").mkdir(parents=True)
    for data in ("ingested", "split"):
        (place / "data" / data).symlink_to(ROOT / "data" / data)
    for code in ("src", "stages"):
        shutil.copytree(ROOT / code, place / code, ignore=shutil.ignore_patterns("__pycache__"))
    yaml.dump(params, place / "params.yaml")
    start = time.monotonic()
    subprocess.run([sys.executable, "stages/finetune.py"], cwd=place, check=True)
    seconds = time.monotonic() - start
    finished.write_text(json.dumps({"seconds": seconds, "made_of": made_of}), encoding="utf-8")
    return seconds


def fingerprint(params: dict[str, Any]) -> str:
    """Sum up what a training depends on, as dvc.yaml lists it: settings, code and images."""
    stage = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["finetune"]
    digest = hashlib.sha256()
    for key in stage["params"]:
        value = functools.reduce(lambda group, name: group[name], key.split("."), params)
        digest.update(json.dumps([key, value]).encode())
    for name in stage["deps"]:
        name = name.replace("${model.images}", params["model"]["images"])
        name = name.replace("${model.family}", params["model"]["family"])
        place = ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()


def judge(place: Path) -> tuple[float, int]:
    """Give the accuracy of a folder's model on validation images, and its number of parameters."""
    from fashion.classifier.device import pick_device, prepare_to_compute
    from fashion.classifier.file import load
    from fashion.files import read_array

    prepare_to_compute(os.cpu_count() or 1)
    classifier = load(place / "models/final.safetensors")
    images, labels = (read_array(ROOT / f"data/split/validation_{what}.npy") for what in ("images", "labels"))
    guesses = classifier.log_probabilities(images, pick_device()).numpy().argmax(1)
    return float(np.mean(guesses == labels)), classifier.parameters()


def write(name: str, results: Any, text: str | None = None) -> None:
    """Write the figures, and the text, if any, between the page's marks of that name."""
    (ROOT / f"benchmarks/{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if text is not None:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")
    print(f"wrote benchmarks/{name}.json; `.ci/validate.py --write` brings it into the pages")


def study_table(rows: list[dict]) -> str:
    text = "\n| channels | parameters | epochs | training | validation |\n| --- | --: | --: | --: | --: |\n"
    for row in rows:
        channels, epochs = " ".join(map(str, row["channels"])), " + ".join(map(str, row["epochs"]))
        cells = [channels, f"{row['parameters']:,}", epochs, minutes(row["seconds"]), f"{row['val_accuracy']:.4f}"]
        text += f"| {' | '.join(cells)} |\n"
    return text + f"\n![Validation accuracy against minutes of training]({PICTURE.name})\n\n"


def draw(rows: list[dict], picture: Path) -> None:
    """Draw validation accuracy against minutes of training, a line for each width with its epochs."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, PercentFormatter

    ways: dict[str, list[dict]] = {}
    for row in sorted(rows, key=lambda row: row["seconds"]):
        ways.setdefault(" ".join(map(str, row["channels"])), []).append(row)
    # The same rows give the same file: ids from a fixed salt, no date, letters as text.
    with mpl.rc_context({"svg.hashsalt": "study", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for number, (name, way) in enumerate(ways.items()):
            place = {"xytext": (6, -10)} if number % 2 else {"xytext": (-6, 4), "horizontalalignment": "right"}
            times, accuracies = ([row["seconds"] / 60 for row in way], [row["val_accuracy"] for row in way])
            axes.plot(times, accuracies, marker="o", label=name)
            for time_, accuracy, row in zip(times, accuracies, way, strict=True):
                epochs = " + ".join(map(str, row["epochs"]))
                axes.annotate(epochs, (time_, accuracy), textcoords="offset points", fontsize=8, **place)
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
        figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None)


def minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


if __name__ == "__main__":
    main()
