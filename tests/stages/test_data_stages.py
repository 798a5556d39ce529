"""Ingest and split as stages: their files, and the rows of samples.csv beside the arrays."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from clone import DATA, ROOT
from fashion.errors import InputError
from fashion.images.parts import Part, read_test_samples
from fashion.params import Params, check
from stages.data import audit, ingest, split


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


def changed(params: Params, section: str, **values: object) -> Params:
    """Give settings with other values in a section."""
    return params.model_copy(update={section: getattr(params, section).model_copy(update=values)})


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
    params = changed(params, "ingest", min_class_size=smallest)
    ingest.main(params.model_copy(update={"classes": ["a", "b", "c"]}))
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
    (project / "data/raw/groups.csv").unlink()
    run(make_params(scheme="fractions", group_from=r"/(\d)\d\.png"))
    groups = {row["file"]: row["group"] for row in read_rows("data/split/samples.csv")}
    assert groups == {file: Path(file).stem[0] for file in files}


def test_images_that_the_table_or_the_pattern_has_together_stay_together(project: Path) -> None:
    (project / "data/raw/groups.csv").write_text("file,group\ntrain/a/12.png,both\ntrain/a/57.png,both\n")
    for seed in range(4):
        run(make_params(scheme="fractions", group_from=r"/(\d\d)\.png", random_state=seed))
        parts = {row["file"]: row["part"] for row in read_rows("data/split/samples.csv")}
        assert parts["train/a/12.png"] == parts["train/a/57.png"]


def test_a_pattern_whose_group_is_missing_from_a_file_leaves_it_alone(
    project: Path, capsys: pytest.CaptureFixture
) -> None:
    for path in [*project.glob("data/raw/train/*/1?.png"), *project.glob("data/raw/train/*/2?.png")]:
        path.rename(path.with_name(f"p{path.stem[0]}_{path.name}"))
    ingest.main(make_params(scheme="fractions"))
    split.main(make_params(scheme="fractions", group_from=r"(p\d+_)?\w+\.png"))
    assert "matches all files but 30, each of which is a group of its own" in capsys.readouterr().out
    groups = {row["file"]: row["group"] for row in read_rows("data/split/samples.csv")}
    assert groups["train/a/p1_12.png"] == groups["train/b/p1_13.png"] == "p1_"
    assert groups["train/a/30.png"] == "train/a/30.png"


def test_groups_of_classes_that_are_left_out_are_ignored(project: Path, images: np.ndarray) -> None:
    (project / "data/raw/train/d").mkdir()
    Image.fromarray(images[60, 0]).save(project / "data/raw/train/d/60.png")
    table = project / "data/raw/groups.csv"
    table.write_text("file,group\ntrain/a/12.png,1\ntrain/d/60.png,1\n")
    params = make_params()
    params = changed(params, "ingest", min_class_size=2)
    run(params)
    groups = {row["file"]: row["group"] for row in read_rows("data/split/samples.csv")}
    assert groups["train/a/12.png"] == "1"
    assert "train/d/60.png" not in groups
    table.write_text("file,group\ntrain/d/61.png,1\n")
    with pytest.raises(InputError, match="line 2: 'train/d/61.png' is no image"):
        run(params)


def test_a_table_of_groups_that_cannot_be_read_is_refused_with_its_own_remedy(project: Path) -> None:
    (project / "data/raw/groups.csv").mkdir()
    with pytest.raises(
        InputError, match=r"groups.csv: .*make it a table with the columns file and group, or remove it"
    ):
        ingest.main(make_params())


def test_given_validation_images_are_kept_beside_copies_and_the_audit_names_them(project: Path) -> None:
    ids = (("a", 12), ("b", 13), ("c", 14))
    for name, number in ids:
        (project / f"data/raw/val/{name}").mkdir(parents=True)
        shutil.copy(project / f"data/raw/train/{name}/{number}.png", project / f"data/raw/val/{name}/copy.png")
    params = make_params()
    run(params)
    audit.main(params)
    parts = {row["file"]: row["part"] for row in read_rows("data/split/samples.csv")}
    assert [parts[f"val/{name}/copy.png"] for name in "abc"] == ["validation"] * 3
    leaks = {(row["file"], row["other_file"]) for row in read_rows("data/audit/copies.csv") if row["problem"] == "leak"}
    assert leaks == {(f"train/{name}/{number}.png", f"val/{name}/copy.png") for name, number in ids}


@pytest.mark.parametrize("scheme", ["official", "fractions"])
def test_a_copy_in_a_test_set_is_a_leak_only_if_the_test_set_is_used(project: Path, scheme: str) -> None:
    shutil.copy(project / "data/raw/train/a/12.png", project / "data/raw/test/a/copy.png")
    params = make_params(scheme=scheme)
    run(params)
    audit.main(params)
    assert [(row["problem"], row["file"], row["other_part"]) for row in read_rows("data/audit/copies.csv")] == (
        [("leak", "train/a/12.png", "test")] if scheme == "official" else []
    )


def test_unlabelled_images_of_idx_files_are_no_test_images(project: Path) -> None:
    (project / "data/raw/idx").mkdir()
    for path in DATA.glob("*ubyte.gz"):
        shutil.copy(path, project / "data/raw/idx")
    params = make_params()
    params = changed(params, "ingest", source="idx")
    run(params)
    samples, _ = audit.read_all()
    assert {sample["part"] for sample in samples[-100:]} == {"unlabelled"}
    assert {sample["part"] for sample in samples[400:500]} == {"test"}
    split.main(make_params(scheme="fractions"))
    samples, _ = audit.read_all()
    assert {sample["part"] for sample in samples[400:500]} == {"unused"}


@pytest.mark.parametrize(
    ("name", "folder", "count", "message"),
    [
        (
            "leaks",
            "test/a",
            1,
            "there is 1 leak, train/a/12.png = test/a/copy-0.png; remove images, or keep near copies",
        ),
        ("leaks", "test/a", 2, "there are 2 leaks, such as train/a/12.png = test/a/copy-0.png, .*; remove images, or"),
        ("contradictions", "train/b", 1, "there is 1 contradiction, .*; remove the image that has the wrong class"),
    ],
)
def test_the_audit_fails_on_faults_that_are_named_and_says_what_helps(
    project: Path, name: str, folder: str, count: int, message: str
) -> None:
    for number in range(count):
        shutil.copy(project / "data/raw/train/a/12.png", project / f"data/raw/{folder}/copy-{number}.png")
    params = make_params()
    run(params)
    params = changed(params, "audit", fail_on=[name])
    with pytest.raises(InputError, match=f"{message}.*; data/audit/copies.csv lists all") as caught:
        audit.main(params)
    assert ("near_duplicates" in str(caught.value)) == (name == "leaks")
    assert read_rows("data/audit/copies.csv")


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
