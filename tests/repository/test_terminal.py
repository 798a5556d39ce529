"""Test what is printed in a terminal of 120 columns: `make help`, `dvc metrics`, the results of `make repro`."""

import json
import re
from pathlib import Path

import pytest

from clone import ROOT, run
from tools import result

WIDTH = 120  # columns


def lines_of(folder: Path, *command: str) -> list[str]:
    """Run a command; give the lines of its output, which must fit."""
    lines = run(folder, *command).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    return lines


def test_help_lists_each_documented_command_once_and_those_for_a_start_first() -> None:
    lines = lines_of(ROOT, "make", "--no-print-directory", "help")
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    documented = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == documented
    assert lines[0] == "Start here"
    assert listed[:2] == ["quick", "repro"]


def test_metrics_of_all_systems_are_shown_in_a_row_each() -> None:
    head, *rows = lines_of(ROOT, "dvc", "metrics", "show")
    assert head.split() == ["Path", "macro_f1", "test_accuracy", "val_accuracy"]
    systems = json.loads((ROOT / "metrics/summary.json").read_text(encoding="utf-8"))
    assert sorted(row.split()[0] for row in rows) == sorted(f"metrics/systems/{name}.json" for name in systems)


def test_a_changed_accuracy_of_one_system_is_a_row_of_the_difference(checkout: Path) -> None:
    run(checkout, "git", "add", "--all")
    run(checkout, "git", "commit", "--quiet", "--message=All")
    path = checkout / "metrics/systems/final.json"
    row = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(row | {"val_accuracy": row["val_accuracy"] - 0.01}), encoding="utf-8")
    head, *rows = lines_of(checkout, "dvc", "metrics", "diff")
    assert head.split() == ["Path", "Metric", "HEAD", "workspace", "Change"]
    assert [row.split()[:2] for row in rows] == [["metrics/systems/final.json", "val_accuracy"]]
    assert rows[0].split()[-1] == "-0.01"


def test_the_summary_in_git_is_that_of_all_systems() -> None:
    table, summary = (json.loads((ROOT / f"metrics/{name}.json").read_text()) for name in ("variants", "summary"))
    assert summary == {name: {key: table[name][key] for key in row} for name, row in summary.items()}
    assert list(summary) == list(table)
    files = {path.stem: json.loads(path.read_text()) for path in (ROOT / "metrics/systems").iterdir()}
    assert files == summary


def test_the_result_of_a_run_has_both_accuracies_the_report_and_the_next_command() -> None:
    accuracy, report, following = lines_of(ROOT, "python", "-m", "tools.result")
    summary = json.loads((ROOT / "metrics/summary.json").read_text(encoding="utf-8"))
    assert f"final {summary['final']['test_accuracy']:.4f}" in accuracy
    assert report == "The report: report.html"
    assert "`fashion predict IMAGE`" in following


def test_the_result_of_a_quick_run_says_that_images_are_few(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    (checkout / "quick").mkdir()
    for name in ("params.yaml", "metrics"):
        (checkout / "quick" / name).symlink_to(checkout / name)
    monkeypatch.chdir(checkout)
    accuracy, report, following = result.describe(result.QUICK).splitlines()
    assert accuracy.endswith("(few images, few epochs)")
    assert report == "The report: quick/report.html"
    assert "`make repro`" in following


def test_results_that_are_missing_are_an_error_of_one_line(tmp_path: Path) -> None:
    (line,) = run(ROOT, "python", "-m", "tools.result", str(tmp_path), status=2).splitlines()
    assert line.startswith(f"error: {tmp_path}/params.yaml: ")
