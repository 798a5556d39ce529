"""Run the examples of docs/using.md in a folder without anything else of the project."""

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
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import save

GUIDE = (ROOT / "docs/using.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^fashion .*$", GUIDE, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def folder(classifier: Ensemble, images: np.ndarray, tmp_path: Path) -> Path:
    """A model and images, named as in the guide."""
    save(classifier, tmp_path / "final.safetensors")
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(images[:3]):
        Image.fromarray(image).save(tmp_path / f"photos/{number}.jpg")
    Image.fromarray(images[0]).save(tmp_path / "shoe.png")
    pixels = pd.DataFrame(images[:4].reshape(4, -1), columns=[f"pix{number}" for number in range(1, 785)])
    pixels.assign(ID=list("abcd")).to_csv(tmp_path / "evaluate.csv", index=False)
    return tmp_path


def run_python(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_commands_of_the_guide_run(folder: Path) -> None:
    outputs = [run_python(folder, "-m", *command.split()) for command in COMMANDS]
    assert len(outputs) == 4
    assert [line.split(",")[0] for line in outputs[0].splitlines()[1:]] == [
        "shoe.png",
        *(f"photos/{n}.jpg" for n in "012"),
    ]
    assert len((folder / "labels.csv").read_text().splitlines()) == 5
    assert (folder / "final.onnx").stat().st_size > 10_000


def test_the_python_example_of_the_guide_runs(folder: Path) -> None:
    (code,) = PYTHON
    assert run_python(folder, "-c", code).startswith("['shoe.png', 'photos/0.jpg'")
