"""Test the tables that tools/pages.py writes into README and docs."""

import json
from pathlib import Path

import pytest

from tools import pages

BEFORE = """# Page
<!-- classes: written by tools/validate.py --write -->
old
<!-- end of classes -->
after
"""


def test_a_table_is_replaced_between_its_marks_and_the_rest_of_the_page_is_kept(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(BEFORE, encoding="utf-8")
    text = pages.with_tables(tmp_path / "page.md", {"classes": "new\n"})
    assert text == BEFORE.replace("old", "new")


def test_classes_are_sorted_by_f1_lowest_first() -> None:
    row = {"precision": 0.9, "recall": 0.9, "roc_auc": 0.99, "support": 1000}
    lines = pages.classes({"Bag": {**row, "f1": 0.98}, "Shirt": {**row, "f1": 0.8}}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| Shirt", "| Bag"]


def test_accuracies_on_corrupted_images_have_the_interval_of_their_number() -> None:
    changes = [
        {"change": "none", "amount": "", "accuracy": 0.954},
        {"change": "noise", "amount": "10", "accuracy": 0.9},
    ]
    robust = {"robustness": [{"accuracy": 0.95}, {"accuracy": 0.94}], "rows": [{}] * 3}
    few, many = ([{**row, "images": images} for row in changes] for images in (200, 2000))
    assert "| none |  | 0.954 | 0.944 to 0.962 | 0.950 |" in pages.robustness(many, robust)
    assert "| noise | 10 | 0.900 | 0.851 to 0.934 | 0.940 |" in pages.robustness(few, robust)


def test_a_missing_file_of_metrics_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"error: metrics/final.json: .*No such file"):
        pages.read_json("metrics/final.json")


def test_the_page_of_results_has_the_accuracies_of_all_systems() -> None:
    page = pages.pages()[pages.ROOT / "docs/results.md"]
    variants = json.loads((pages.ROOT / "metrics/variants.json").read_text(encoding="utf-8"))
    for name, row in variants.items():
        assert f"| {name} | {row['parameters']:,} |" in page
        assert f"| {row['val_accuracy']:.4f} | {row['test_accuracy']:.4f} |" in page


def test_the_readme_has_the_final_model_and_the_variants_with_the_highest_validation_accuracy() -> None:
    row = {"parameters": 1000, "test_interval": [0.7, 0.9], "test_accuracy": 0.8}
    variants = {str(number): {**row, "val_accuracy": number / 100} for number in range(60, 80)}
    lines = pages.best({**variants, "final": {**row, "val_accuracy": 0.1}}).splitlines()
    assert lines[2] == "| **final** | 1,000 | 0.1000 | 0.8000 | 0.700 to 0.900 |"
    assert [line.split(" | ")[0] for line in lines[3:]] == [f"| {number}" for number in range(79, 72, -1)]
