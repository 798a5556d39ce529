"""Compare systems, as a stage."""

from pathlib import Path

import numpy as np
import pytest

from fashion.files import read_json, write_array, write_rows
from fashion.images.parts import Part
from stages import paths
from stages.results.compare import without_copies, write_summary


@pytest.mark.parametrize(
    ("copied", "expected"),
    [
        ([], {"images": 4, "test_accuracy": 0.5}),
        (["5"], {"images": 3, "test_accuracy": pytest.approx(2 / 3)}),
        (["2", "3", "4", "5"], {"images": 0, "test_accuracy": None}),
    ],
)
def test_test_images_with_a_copy_in_training_are_left_out_of_a_second_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: list[str], expected: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = [Part.TRAIN, Part.TRAIN, *[Part.TEST] * 4]
    samples = [{"file": str(number), "part": part.name.lower()} for number, part in enumerate(parts)]
    write_array(paths.PARTS, np.array([parts], np.uint8))
    write_rows(paths.SPLIT / "samples.csv", samples)
    row = {"problem": "leak", "file": "0", "class": "cat", "part": "train", "other_class": "cat", "other_part": "test"}
    rows = [row | {"other_file": file} for file in copied]
    write_rows(paths.AUDIT / "copies.csv", rows, [*row, "other_file"])
    assert without_copies(np.array([True, False, True, False])) == expected


def test_the_summary_is_one_file_and_a_file_for_each_system_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base, wide = ({"val_accuracy": value, "test_accuracy": value, "macro_f1": value} for value in (0.8, 0.9))
    write_summary({"base": base, "wide": wide})
    write_summary({"base": base})
    assert read_json(Path("metrics/summary.json")) == {"base": base}
    assert [path.name for path in Path("metrics/systems").iterdir()] == ["base.json"]
    assert read_json(paths.system_metrics("base")) == base
