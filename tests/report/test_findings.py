"""The title and the headings of the report say what the results are."""

import dataclasses
from typing import Any

import pytest

from fashion.results.report.contents import Results
from fashion.results.report.findings import findings
from fashion.results.report.page import render

FASHION_MNIST = {
    "source": "idx",
    "sha256": {"test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
}


def with_accuracies(results: Results, final: float, other: float) -> Results:
    """Give the results with two systems, of these accuracies."""
    rows = [name for name in results.table if name != results.final][:1]
    table = {
        name: {**results.table[name], "test_accuracy": accuracy, "baseline": None, "against_baseline": None}
        for name, accuracy in ((rows[0], other), (results.final, final))
    }
    return dataclasses.replace(results, table=table)


@pytest.mark.parametrize(
    ("final", "other", "expected"),
    [(0.95, 0.9, "5.00 points more than"), (0.9, 0.905, "0.50 points less than"), (0.9, 0.9, "as much as")],
)
def test_the_title_has_accuracy_data_and_lead(results: Results, final: float, other: float, expected: str) -> None:
    changed = dataclasses.replace(
        with_accuracies(results, final, other), settings={**results.settings, "ingest": FASHION_MNIST}
    )
    title = findings(changed)["title"]
    assert title.startswith(f"final reaches {final:.2%} on Fashion-MNIST, {expected} {changed.best}")
    assert f"<h1>{title}</h1>" in render(changed)
    assert f"<title>{title}</title>" in render(rehearsal(changed, None))


def test_the_page_tells_how_git_finds_the_commit_of_the_results(results: Results) -> None:
    assert f"git log --find-object={results.table_object}" in render(rehearsal(results, None))


def test_data_without_a_known_checksum_have_no_name(results: Results) -> None:
    for ingest in ({**FASHION_MNIST, "source": "folder"}, {"source": "idx", "sha256": None}):
        changed = dataclasses.replace(results, settings={**results.settings, "ingest": ingest})
        assert changed.data_name is None
        assert f"on {results.answers['images']:,} test images" in findings(changed)["title"]


def rehearsal(results: Results, at_most: int | None) -> Results:
    split: dict[str, Any] = {**results.settings["split"], "at_most": at_most}
    return dataclasses.replace(results, settings={**results.settings, "split": split})


def test_a_rehearsal_is_marked_as_one(results: Results) -> None:
    page = render(rehearsal(results, 2000))
    assert "<title>Rehearsal: " in page
    assert "each part keeps at most 2,000 images" in page
    assert "git log" not in page, "the results of a rehearsal are not in git"
    assert "rehearsal" not in render(rehearsal(results, None)).partition("</style>")[2].lower()


def test_accuracies_have_two_decimals_and_differences_are_in_points(results: Results) -> None:
    page = render(results)
    name = next(name for name in results.table if results.baseline_of(name))
    difference = f"{100 * (results.difference(name) or 0):+.2f}".replace("-", "−")
    assert f">{difference}</td>" in page
    assert f">{results.table[name]['test_accuracy']:.2%}</td>" in page


def test_a_system_without_baseline_and_results_without_tests_are_described(results: Results) -> None:
    changed = with_accuracies(results, 0.9, 0.8)
    assert findings(changed)["systems"] == "2 systems, none with a baseline"
    assert "compared with no other" in render(changed)


def test_the_unchanged_images_of_the_robustness_chart_are_said_to_be_a_part(results: Results) -> None:
    rows = [{**row, "images": 7} for row in results.scores["robustness"]]
    page = render(dataclasses.replace(results, scores={**results.scores, "robustness": rows}))
    assert "Accuracy on changed test images, 7 of them: unchanged" in page
    rows = [{**row, "images": results.answers["images"]} for row in rows]
    page = render(dataclasses.replace(results, scores={**results.scores, "robustness": rows}))
    assert "of them: unchanged" not in page


def test_no_mistakes_are_said_to_be_none(results: Results) -> None:
    support = results.answers["support"]
    counts = [[n if i == j else 0 for j in range(len(support))] for i, n in enumerate(support)]
    answers = {**results.answers, "counts": counts, "mistakes": 0, "gallery": []}
    page = render(dataclasses.replace(results, answers=answers))
    assert "No test image is taken for another class" in page
