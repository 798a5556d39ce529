"""Ingest and split as stages: their files, and the rows of samples.csv beside the arrays."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from clone import ROOT
from fashion.errors import InputError
from fashion.images.parts import Part, read_test_samples
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
    rows, parts = read_rows("data/split/samples.csv"), np.load("data/split/parts.npy")
    for name, described in (("labelled", rows[: parts.shape[1]]), ("test", read_test_samples(Path("data/split")))):
        numbers = [int(Path(row["file"]).stem) for row in described]
        np.testing.assert_array_equal(np.load(f"data/split/{name}_images.npy"), images[numbers])
        labels = np.load(f"data/split/{name}_labels.npy").tolist()
        assert [row["class"] for row in described] == ["abc"[label] for label in labels]
    if len(parts) == 1:
        assert [Part(part).name.lower() for part in parts[0]] == [row["part"] for row in rows[: parts.shape[1]]]


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


@pytest.mark.parametrize(("smallest", "as_named"), [(0, True), (16, False)])
@pytest.mark.usefixtures("project")
def test_classes_that_are_left_out_renumber_those_of_params(smallest: int, as_named: bool) -> None:
    Path("data/raw/train/b/13.png").unlink()
    params = make_params()
    changed = params.ingest.model_copy(update={"min_class_size": smallest})
    ingest.main(params.model_copy(update={"ingest": changed, "classes": ["a", "b", "c"]}))
    about = json.loads(Path("data/ingested/about.json").read_text())
    assert (about["classes"] == ["a", "b", "c"], about["named_in_params"]) == (as_named, as_named)


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
    assert np.bincount(np.load("data/split/parts.npy")[0]).tolist() == [0, 16, 16]
    assert len(np.load("data/split/test_images.npy")) == 16 + 9


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("scheme", ["official", "fractions"])
def test_with_folds_every_image_has_the_fold_that_tests_it(images: np.ndarray, scheme: str) -> None:
    run(make_params(scheme=scheme, folds=4))
    assert_rows_describe_arrays(images)
    rows, parts = read_rows("data/split/samples.csv"), np.load("data/split/parts.npy")
    assert parts.shape == (4, 48)
    held_out = parts == (Part.VALIDATION if scheme == "official" else Part.TEST)
    assert [row["part"] for row in rows[:48]] == [f"fold {number + 1}" for number in held_out.argmax(0)]
    assert len(np.load("data/split/test_images.npy")) == (9 if scheme == "official" else 48)


def test_a_table_of_groups_or_a_pattern_keeps_images_together(project: Path, capsys: pytest.CaptureFixture) -> None:
    files = sorted(path.relative_to(project / "data/raw").as_posix() for path in project.glob("data/raw/train/*/*.png"))
    patients = {file: f"patient {int(Path(file).stem) // 6}" for file in files}
    (project / "data/raw/groups.csv").write_text(
        "\n".join(["file,group", *(f"{file},{patient}" for file, patient in list(patients.items())[1:])])
    )
    run(make_params(scheme="fractions"))
    by_table = {row["file"]: row for row in read_rows("data/split/samples.csv")}
    assert by_table[files[0]]["group"] == files[0], "without a row an image is a group of its own"
    for patient in set(patients.values()):
        assert len({by_table[file]["part"] for file in files[1:] if patients[file] == patient}) == 1
    capsys.readouterr()
    run(make_params(scheme="fractions", group_from=r"/(\d)\d\.png"))
    groups = {row["file"]: row["group"] for row in read_rows("data/split/samples.csv")}
    assert groups == {file: Path(file).stem[0] for file in files}


def test_a_pattern_that_matches_no_file_is_refused(project: Path) -> None:
    assert project.exists()
    with pytest.raises(InputError, match=r"split.group_from: 'patient' matches no file, such as 'train/a/12.png'"):
        run(make_params(scheme="fractions", group_from="patient"))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("train/a/12.png,1\ntrain/a/12.png,2", "line 3: 'train/a/12.png' has two groups"),
        ("a/12.png,1", "line 2: 'a/12.png' is no image; expected a path below .*, such as 'train/a/12.png'"),
    ],
)
def test_a_faulty_row_of_a_group_is_refused(project: Path, rows: str, complaint: str) -> None:
    (project / "data/raw/groups.csv").write_text(f"file,group\n{rows}\n")
    with pytest.raises(InputError, match=complaint):
        run(make_params(scheme="fractions"))


def test_copies_of_an_image_are_never_in_two_parts(project: Path) -> None:
    for number in range(12, 30):
        source = next(project.glob(f"data/raw/train/*/{number}.png"))
        for copy in range(3):
            shutil.copy(source, source.with_name(f"{number}-{copy}.png"))
    run(make_params(scheme="fractions"))
    rows = read_rows("data/split/samples.csv")
    for number in range(12, 30):
        copies = [row for row in rows if Path(row["file"]).stem.startswith(str(number))]
        assert len(copies) == 4
        assert len({row["part"] for row in copies}) == len({row["first_copy"] for row in copies}) == 1


def test_notes_are_kept_and_printed(project: Path, capsys: pytest.CaptureFixture) -> None:
    (project / "data/raw/train/a/list.txt").write_text("12.png")
    ingest.main(make_params())
    note = "1 file is skipped, since it is no image: list.txt"
    assert json.loads(Path("data/ingested/notes.json").read_text()) == [note]
    assert f"ingest: {note}" in capsys.readouterr().out
