import json
from pathlib import Path

import pages
import pytest

BEFORE = """# Page
<!-- classes: written by .ci/validate.py --write -->
old
<!-- end of classes -->
after
"""


def test_a_table_is_made_anew_between_its_marks_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(BEFORE, encoding="utf-8")
    text = pages.with_tables(tmp_path / "page.md", {"classes": "new\n"})
    assert text == BEFORE.replace("old", "new")


def test_the_worst_class_comes_first() -> None:
    row = {"precision": 0.9, "recall": 0.9, "roc_auc": 0.99, "support": 1000}
    lines = pages.classes({"Bag": {**row, "f1": 0.98}, "Shirt": {**row, "f1": 0.8}}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| Shirt", "| Bag"]


def test_a_missing_file_of_metrics_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"error: metrics/final.json: .*No such file"):
        pages.read_json("metrics/final.json")


def test_the_pages_say_what_the_metrics_say() -> None:
    """Each accuracy of metrics/ stands in the pages as CI would have them."""
    made = pages.pages()
    variants = json.loads((pages.ROOT / "metrics/variants.json").read_text(encoding="utf-8"))
    for name, row in variants.items():
        assert f"| {name} | {row['parameters']:,} |" in made[pages.ROOT / "README.md"]
        assert f"| {row['val_accuracy']:.4f} | {row['test_accuracy']:.4f} |" in made[pages.ROOT / "README.md"]
