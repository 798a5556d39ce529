"""What docs/using.md tells to type, in a folder that has nothing of the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clone import ROOT
from fashion.classifier.classifier import Classifier
from fashion.classifier.file import save

GUIDE = (ROOT / "docs/using.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^fashion .*$", GUIDE, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def folder(classifier: Classifier, images: np.ndarray, tmp_path: Path) -> Path:
    """A model and images, named as in the guide."""
    save(classifier, tmp_path / "final.safetensors")
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(images[:3]):
        Image.fromarray(image).save(tmp_path / f"photos/{number}.jpg")
    Image.fromarray(images[0]).save(tmp_path / "shoe.png")
    pixels = pd.DataFrame(images[:4].reshape(4, -1), columns=[f"pix{number}" for number in range(1, 785)])
    pixels.assign(ID=list("abcd")).to_csv(tmp_path / "evaluate.csv", index=False)
    return tmp_path


def typed(folder: Path, *words: str) -> str:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_commands_can_be_typed(folder: Path) -> None:
    said = [typed(folder, "-m", *command.split()) for command in COMMANDS]
    assert len(said) == 4
    assert [line.split(",")[0] for line in said[0].splitlines()[1:]] == [
        "shoe.png",
        *(f"photos/{n}.jpg" for n in "012"),
    ]
    assert len((folder / "labels.csv").read_text().splitlines()) == 5
    assert (folder / "final.onnx").stat().st_size > 10_000


def test_its_lines_of_python_run(folder: Path) -> None:
    (lines,) = PYTHON
    assert typed(folder, "-c", lines).startswith("['shoe.png', 'photos/0.jpg'")
