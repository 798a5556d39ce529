"""Say in one sentence what each part of the report shows: its title and headings."""

import statistics
from collections.abc import Mapping
from typing import Any

from fashion.results.report.contents import Results
from fashion.results.report.formats import duration, p_equation, percent, plural, points

SIGNIFICANT = 0.05  # p-values below it count as differences


def findings(results: Results) -> dict[str, str]:
    """Make the sentences, by the name of their part."""
    return {
        "title": title(results),
        "systems": against_baselines(results),
        "seeds": over_seeds(results) if results.seeds else "",
        "curves": best_epoch(results),
        "costs": costs(results),
        "classes": weakest_class(results),
        "confusion": most_confused(results),
        "mistakes": mistakes(results),
        "calibration": calibration(results),
        "robustness": worst_change(results),
        "other_images": other_images(results),
        "data": data(results),
    }


def title(results: Results) -> str:
    """Tell what the final model reaches, on which data, and its lead over the best other system."""
    reached = percent(results.table[results.final]["test_accuracy"])
    data_name = results.data_name or f"{results.answers['images']:,} test images"
    lead = points(abs(results.lead)).lstrip("+")
    if round(abs(results.lead), 4) == 0:
        compared = f"as much as {results.best}"
    else:
        compared = f"{lead} points {'more' if results.lead > 0 else 'less'} than {results.best}"
    return f"{results.final} reaches {reached} on {data_name}, {compared}, the best other system"


def lead_test(results: Results) -> str:
    """Give the p-value of the lead, in an equation; empty if it was not tested."""
    test = results.table[results.best].get("against_final")
    return "" if test is None else p_equation(test)


def against_baselines(results: Results) -> str:
    tested = {name: row["against_baseline"] for name, row in results.table.items() if row["against_baseline"]}
    if not tested:
        return plural(len(results.table), "system") + ", none with a baseline"
    significant = [name for name, test in tested.items() if test["p_value"] < SIGNIFICANT]
    better = [name for name in significant if (results.difference(name) or 0) > 0]
    worse = len(significant) - len(better)
    systems = plural(len(tested), "system")
    return f"Better than their baseline: {len(better)} of {systems}; worse: {worse} (p < {SIGNIFICANT})"


def over_seeds(results: Results) -> str:
    deviations = {name: row["test_accuracy"]["deviation"] for name, row in results.seeds.items()}
    widest = max(deviations, key=lambda name: deviations[name])
    return (
        f"Another seed moves the test accuracy by {unsigned(statistics.median(deviations.values()))} points "
        f"(median standard deviation), that of {widest} by {unsigned(deviations[widest])}"
    )


def unsigned(difference: float) -> str:
    return points(difference).lstrip("+")


def best_epoch(results: Results) -> str:
    row = results.table[results.final]
    epoch, epochs = row.get("best_epoch"), row["epochs"]
    reached = f"{results.final} reaches {percent(row['val_accuracy'])} on validation images"
    return reached + (f", after epoch {epoch} of {epochs}" if epoch else f" in {epochs} epochs")


def costs(results: Results) -> str:
    final, best = results.costs.get(results.final), results.costs.get(results.best)
    if final and best and best.seconds:
        return (
            f"Training {results.final} takes {duration(final.seconds)} minutes, "
            f"{results.best} {duration(best.seconds)} minutes"
        )
    parameters = [results.table[name]["parameters"] for name in (results.final, results.best)]
    return f"{results.final} has {parameters[0]:,} parameters, {results.best} {parameters[1]:,}"


def weakest_class(results: Results) -> str:
    recalls = {name: row["recall"] for name, row in results.scores["per_class"].items() if row["support"]}
    if not recalls:
        return "No class has test images"
    weakest, strongest = min(recalls, key=lambda name: recalls[name]), max(recalls, key=lambda name: recalls[name])
    if recalls[weakest] == recalls[strongest]:
        return f"{results.final} recognises {percent(recalls[weakest])} of the images of each class"
    return (
        f"{results.final} recognises {percent(recalls[weakest])} of the images of {weakest}, its weakest class, "
        f"and {percent(recalls[strongest])} of {strongest}"
    )


def most_confused(results: Results) -> str:
    pairs: list[Mapping[str, Any]] = [
        {"actual": actual, "predicted": predicted, "images": images, "support": support}
        for actual, row, support in zip(
            results.answers["classes"], results.answers["counts"], results.answers["support"], strict=True
        )
        for predicted, images in zip(results.answers["classes"], row, strict=True)
        if actual != predicted and images
    ]
    if not pairs:
        return "No test image is taken for another class"
    first = max(pairs, key=lambda pair: pair["images"])
    return (
        f"The most frequent confusion: {first['images']:,} of {plural(first['support'], 'image')} of "
        f"{results.classes[first['actual']]} are taken for {results.classes[first['predicted']]}"
    )


def mistakes(results: Results) -> str:
    wrong, images = results.answers["mistakes"], results.answers["images"]
    return (
        f"{wrong:,} of {plural(images, 'test image')} ({percent(wrong / max(images, 1))}) are taken for another class"
    )


def calibration(results: Results) -> str:
    error = results.scores["calibration"]["after"]["expected_calibration_error"]
    return f"Probabilities are {unsigned(error)} points off on average"


def worst_change(results: Results) -> str:
    changes = [row for row in results.scores["robustness"] if row["change"] != "none"]
    if not changes:
        return "Robustness was not measured"
    worst = min(changes, key=lambda row: row["accuracy"])
    return f"{worst['change']} of {worst['amount']} is worst: {percent(worst['accuracy'])} are right".capitalize()


def other_images(results: Results) -> str:
    others = [row for row in results.scores["out_of_distribution"] if row["roc_auc"] is not None]
    if not others:
        return "Images of something else were not tested"
    missed = min(others, key=lambda row: row["warned_of"])
    return (
        f"Of images of something else, {missed['images']} pass most often: {percent(missed['warned_of'])} are warned of"
    )


def data(results: Results) -> str:
    leaks = results.audit["copies"].get("leak", 0)
    images = f"{plural(results.data['labelled'], 'labelled image')} in {plural(len(results.classes), 'class')}"
    images = images.replace("classs", "classes")
    copies = f"{plural(leaks, 'pair')} of copies lie in two parts" if leaks else "no copies lie in two parts"
    return f"{images}; {copies}"
