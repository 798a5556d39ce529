"""Write the tables of README and docs, between their marks, from metrics/ and from the files of benchmarks/."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import vl_convert

from benchmarks import engine, final_model, other_data, precision, pretrained, scaling, small_data
from fashion.files import with_section
from fashion.results.report.costs import read_costs
from fashion.results.significance import wilson_interval
from fashion.settings.fields import FINAL

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "packages/abreast/benchmarks"))

import runner  # noqa: E402 (the benchmark of the runner)

VEGA_LITE_VERSION = "5.21"  # of DVC's own templates, and of those in .dvc/plots
PLOTS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>Plots</title>
<style>body { font-family: system-ui, sans-serif; } table { border-spacing: 15px; } img { max-width: 100%; }</style>
<!-- Vega, Vega-Lite and Vega-Embed (BSD 3-clause, the Vega project), as vl-convert bundles them. -->
<script>VEGA</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""
ALIGN_RIGHT = "---:"
BEST = 8  # systems in README
ESCAPED_BAR = "\\|"  # in a cell


def pages() -> dict[Path, str]:
    """Give the text of each page, with its tables made from the results."""
    final, variants = read_json("metrics/final.json"), read_json("metrics/variants.json")
    over_seeds = read_json("metrics/seeds.json")
    measured = [read_json(f"benchmarks/results/{path.name}") for path in engine.result_files(ROOT)]
    tables = {
        "README.md": {
            "best": best(variants),
            "cost": cost(seconds_of("benchmarks/durations.json"), final["environment"]),
        },
        "docs/results.md": {"results": results(variants, over_seeds)},
        "docs/performance.md": {
            "speed": speed(measured),
            "bench": engine.tables(measured),
            "precision": precision.table(read_json("benchmarks/precision.json")),
        },
        "docs/final_model.md": {
            "seeds": seeds_of_final(over_seeds.get("final"), variants["final"]),
            "study": final_model.study_table(read_json("benchmarks/study.json")),
        },
        "docs/scaling.md": {
            name: scaling.TABLES[name](result) for name, result in read_json("benchmarks/scaling.json").items()
        },
        "docs/pretrained.md": {"pretrained": pretrained.table(read_json("benchmarks/pretrained.json"))},
        "docs/your_own_data.md": {
            "other data": other_data.table(read_json("benchmarks/other_data.json")),
            "small data": small_data.table(read_json("benchmarks/small_data.json")),
        },
        "packages/abreast/README.md": {"runner": runner.table(read_json("packages/abreast/benchmarks/runner.json"))},
        "docs/model_card.md": {
            "accuracy": accuracy(final),
            "classes": classes(final["per_class"]),
            "confusions": confusions(final["confusions"]),
            "calibration": calibration(final["calibration"]),
            "robustness": robustness(final["robustness"], read_json("benchmarks/robust.json")),
            "out of distribution": out_of_distribution(final["out_of_distribution"]),
        },
    }
    made = {ROOT / name: with_tables(ROOT / name, texts) for name, texts in tables.items()}
    return {**made, ROOT / ".dvc/plots/page.html": plots_page()}


def plots_page() -> str:
    """Make the page that `dvc plots` fills in. DVC's own page loads Vega from a CDN; this one contains it."""
    vega = vl_convert.javascript_bundle(
        snippet="window.vegaEmbed = vegaEmbed; window.vega = vega;", vl_version=VEGA_LITE_VERSION
    )
    return PLOTS_PAGE.replace("VEGA", vega)


def read_json(name: str) -> Any:
    try:
        return json.loads((ROOT / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {name}: {error}")


def seconds_of(name: str) -> dict[str, float]:
    """Read the seconds that stages took."""
    try:
        return {stage: cost.seconds for stage, cost in read_costs(ROOT / name).items()}
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {name}: {error}")


def with_tables(path: Path, tables: dict[str, str]) -> str:
    """Give the text of a page with these tables between the marks of their names."""
    text = path.read_text(encoding="utf-8")
    for name, content in tables.items():
        text = with_section(text, name, content)
    return text


def table(head: list[str], rows: list[list[str]], align: list[str]) -> str:
    lines = [head, align, *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ESCAPED_BAR) for cell in line)} |\n" for line in lines)


def figure(value: float | None, digits: int) -> str:
    """Format a number; a dash where it is undefined, as for a class without test images."""
    return "-" if value is None else f"{value:.{digits}f}"


def cost(durations: dict[str, float], environment: dict[str, str]) -> str:
    """Describe the duration of a full run, from the durations of its stages."""
    if "finetune" not in durations:
        return "The durations of a full run are not known yet.\n"
    final = durations["finetune"]
    others = sum(seconds for name, seconds in durations.items() if name != "finetune") / 2  # cores
    minutes = [round(seconds / 60) for seconds in (final + others, final, others)]
    return (
        f"A full run takes {minutes[0]} minutes on two cores with native bf16: {minutes[1]} for `final`, {minutes[2]} "
        f"for all else.\nThe results in git were computed on a CPU with {environment['cpu']}, in "
        f"{environment['precision']}, with torch {environment['torch']}.\n"
    )


def speed(measured: list[dict[str, Any]]) -> str:
    """Describe the speed of the engine relative to a plain loop, for each kind of processor that was measured."""
    lines = []
    for result in measured:
        means = {name: group["mean"] for name, group in result["geometric_mean"].items() if "2 threads" in name}
        ratios = " and ".join(f"{mean:.1f} times in {name.partition(',')[0]}" for name, mean in means.items())
        lines.append(f"- {engine.instruction_set(result['machine'])}: {ratios}\n")
    return "".join(lines)


def seeds_of_final(seeds: dict[str, Any] | None, main: dict[str, Any]) -> str:
    """List the runs of the final model with all seeds; the main one alone, if there is no other."""
    accuracies = ("val_accuracy", "test_accuracy")
    runs = seeds["runs"] if seeds else {"": main}
    rows = [[seed, *(f"{run[key]:.4f}" for key in accuracies)] for seed, run in runs.items()]
    if seeds:
        rows.append(["mean", *(f"{seeds[key]['mean']:.4f} ± {seeds[key]['deviation']:.4f}" for key in accuracies)])
    return f"\n{table(['seed', 'validation', 'test'], rows, ['---', ALIGN_RIGHT, ALIGN_RIGHT])}\n"


def results(variants: dict[str, Any], seeds: dict[str, Any]) -> str:
    """Compare all systems; with the mean, standard deviation and number of runs over all seeds."""
    rows = []
    for name, row in variants.items():
        reported = f"{row['reported']:.4f}".rstrip("0") if row["reported"] else ""
        interval = " to ".join(f"{bound:.3f}" for bound in row["test_interval"])
        test = row["against_baseline"]
        p_value = "" if test is None else "< 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}"
        accuracies = [f"{row['val_accuracy']:.4f}", f"{row['test_accuracy']:.4f}"]
        means = ""
        if name in seeds:
            over_seeds, count = seeds[name]["test_accuracy"], len(seeds[name]["runs"])
            means = f"{over_seeds['mean']:.4f} ± {over_seeds['deviation']:.4f} ({count})"
        parameters, epochs = f"{row['parameters']:,}", str(row["epochs"])
        rows.append([name, parameters, reported, *accuracies, interval, p_value, means, epochs])
    head = ["system", "parameters", "reported", "validation", "test", "95% interval", "p against baseline"]
    head += ["test over seeds", "epochs"]
    return table(head, rows, ["---", *[ALIGN_RIGHT] * 4, ":---:", *[ALIGN_RIGHT] * 3])


def best(variants: dict[str, Any]) -> str:
    """Compare the final model and the variants with the highest validation accuracy."""
    others = sorted((name for name in variants if name != FINAL), key=lambda name: -variants[name]["val_accuracy"])
    rows = []
    for name in [FINAL, *others[: BEST - 1]]:
        row = variants[name]
        interval = " to ".join(f"{bound:.3f}" for bound in row["test_interval"])
        accuracies = [f"{row['val_accuracy']:.4f}", f"{row['test_accuracy']:.4f}"]
        rows.append([f"**{name}**" if name == FINAL else name, f"{row['parameters']:,}", *accuracies, interval])
    head = ["system", "parameters", "validation", "test", "95% interval"]
    return table(head, rows, ["---", *[ALIGN_RIGHT] * 3, ":---:"])


def accuracy(final: dict[str, Any]) -> str:
    rows = [
        ["parameters", f"{final['parameters']:,}"],
        ["validation accuracy", f"{final['val_accuracy']:.4f}"],
        ["test accuracy", f"{final['test_accuracy']:.4f}"],
        ["macro F1, test", f"{final['macro_f1']:.4f}"],
        ["area under ROC, mean over the classes, test", figure(final["roc_auc"], 4)],
        ["trained on", ", ".join(f"{key} {value}" for key, value in final["environment"].items())],
    ]
    return table(["figure", "value"], rows, ["---", "---"])


def classes(per_class: dict[str, dict[str, float]]) -> str:
    keys = ["precision", "recall", "f1", "roc_auc"]
    rows = [
        [name, *(figure(row[key], 3) for key in keys), str(row["support"])]
        for name, row in sorted(per_class.items(), key=lambda item: item[1]["f1"])
    ]
    head = ["class", "precision", "recall", "F1", "area under ROC", "test images"]
    return table(head, rows, ["---", *[ALIGN_RIGHT] * 5])


def confusions(pairs: list[dict[str, Any]]) -> str:
    rows = [[pair["actual"], pair["predicted"], str(pair["images"])] for pair in pairs]
    return table(["actual", "predicted", "test images"], rows, ["---", "---", ALIGN_RIGHT])


def calibration(figures: dict[str, Any]) -> str:
    rows = []
    for when, temperature in (("before", 1.0), ("after", figures["temperature"])):
        values = [figures[when][key] for key in ("expected_calibration_error", "negative_log_likelihood")]
        rows.append([when, f"{temperature:.3f}", *(f"{value:.4f}" for value in values)])
    head = ["scaling", "temperature", "expected calibration error", "negative log-likelihood"]
    return table(head, rows, ["---", *[ALIGN_RIGHT] * 3])


def robustness(rows: list[dict[str, Any]], robust: dict[str, Any]) -> str:
    """Compare the accuracy on corrupted images with that of a model trained on corrupted images; the means are last."""
    models = [rows, robust["robustness"]]
    cells = [
        [row["change"], row["amount"], f"{row['accuracy']:.3f}", f"{low:.3f} to {high:.3f}", f"{other['accuracy']:.3f}"]
        for row, other in zip(*models, strict=True)
        for low, high in [interval(row)]
    ]
    means = [f"{statistics.mean(row['accuracy'] for row in model[1:]):.3f}" for model in models]
    head = [
        "change",
        "amount",
        "accuracy",
        "95% interval",
        f"with share {final_model.SHARE}, mean of {len(robust['rows'])} seeds",
    ]
    last = ["mean of the changes", "", means[0], "", means[1]]
    return table(head, [*cells, last], ["---", "---", *[ALIGN_RIGHT] * 3])


def interval(row: dict[str, Any]) -> list[float]:
    """Compute the 95% confidence interval of an accuracy on a number of images."""
    return wilson_interval(round(row["accuracy"] * row["images"]), row["images"])


def out_of_distribution(rows: list[dict[str, Any]]) -> str:
    cells = [[row["images"], figure(row["roc_auc"], 3), f"{row['warned_of']:.1%}"] for row in rows]
    return table(["images", "area under ROC", "out of distribution"], cells, ["---", *[ALIGN_RIGHT] * 2])
