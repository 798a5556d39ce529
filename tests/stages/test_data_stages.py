"""Ingest and split as stages: their files, and the rows of samples.csv beside the arrays."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from clone import ROOT
from fashion.params import Params, check
from stages.data import ingest, split


@pytest.fixture
def project(tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 60 images of three classes, some of them to be labelled or for testing."""
    for number in range(60):
        part = ("evaluate" if number < 3 else "test/{}" if number < 12 else "train/{}").format("abc"[number % 3])
        path = tmp_path / f"data/raw/{part}/{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number, 0]).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_params(**changes: object) -> Params:
    text = (ROOT / "src/fashion/own_images.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text.replace("SOURCE", "folder", 1).replace("SCHEME", "official", 1))
    content["split"] |= changes
    return check(content, source="params.yaml")


def read_rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(params: Params) -> None:
    ingest.main(params)
    split.main(params)


def assert_rows_describe_arrays(images: np.ndarray) -> None:
    """Each row of data/split/samples.csv names the file that its image is from."""
    rows = read_rows("data/split/samples.csv")
    for part in ("train", "validation", "test"):
        of_part = [row for row in rows if row["part"] == part]
        numbers = [int(Path(row["file"]).stem) for row in of_part]
        np.testing.assert_array_equal(np.load(f"data/split/{part}_images.npy"), images[numbers])
        labels = np.load(f"data/split/{part}_labels.npy").tolist()
        assert [row["class"] for row in of_part] == ["abc"[label] for label in labels]


@pytest.mark.usefixtures("project")
def test_the_official_test_set_is_kept_and_every_image_has_its_row(images: np.ndarray) -> None:
    run(make_params(at_most=30))
    rows = read_rows("data/split/samples.csv")
    ids = ["a/03.png", "a/06.png", "a/09.png", "b/04.png", "b/07.png", "b/10.png", "c/05.png", "c/08.png", "c/11.png"]
    assert [row["id"] for row in rows if row["part"] == "test"] == ids
    assert_rows_describe_arrays(images)
    about = json.loads(Path("data/ingested/about.json").read_text())
    assert (about["classes"], about["named_in_params"]) == (["a", "b", "c"], False)
    assert about["frame"]["channels"] == 1


@pytest.mark.usefixtures("project")
def test_a_drawn_test_set_leaves_the_official_one_unused_and_says_so(
    images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    run(make_params(scheme="fractions"))
    assert "9 official test images are not used, see split.scheme in params.yaml" in capsys.readouterr().out
    assert_rows_describe_arrays(images)


@pytest.mark.parametrize("scheme", ["official", "fractions"])
def test_a_table_gives_all_parts_under_any_scheme(project: Path, images: np.ndarray, scheme: str) -> None:
    parts = ["train", "validation", "test"]
    files = sorted((project / "data/raw/train").glob("*/*.png"))
    rows = [f"{path.parent.name}/{path.name},{parts[number % 3]}" for number, path in enumerate(files)]
    (project / "data/raw/split.csv").write_text("\n".join(["id,part", *rows]))
    run(make_params(file="split.csv", scheme=scheme))
    assert_rows_describe_arrays(images)
    assert len(np.load("data/split/train_images.npy")) == 16
    assert len(np.load("data/split/test_images.npy")) == 16 + 9


def test_notes_are_kept_and_printed(project: Path, capsys: pytest.CaptureFixture) -> None:
    (project / "data/raw/train/a/list.txt").write_text("12.png")
    ingest.main(make_params())
    note = "1 file is skipped, since it is no image: list.txt"
    assert json.loads(Path("data/ingested/notes.json").read_text()) == [note]
    assert f"ingest: {note}" in capsys.readouterr().out
