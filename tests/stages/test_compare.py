"""Compare systems, as a stage."""

from pathlib import Path

import numpy as np
import pytest

from fashion.files import write_array, write_rows
from fashion.images.parts import Part
from stages import paths
from stages.results.compare import without_copies


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
