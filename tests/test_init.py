"""`fashion init` in a folder of a project."""

import gzip
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clone import DATA, ROOT, run
from fashion import init
from fashion.cli import main
from fashion.errors import InputError
from fashion.init import SOURCES, write_params
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml
from fashion.sources.ingest import Description
from fashion.sources.raw_data import VALIDATION


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data/raw").mkdir(parents=True)
    run(tmp_path, "git", "init", "--quiet")
    return tmp_path


def save_images(folder: Path, images: np.ndarray) -> None:
    """Save images, N x H x W or N x H x W x 3, as PNG files."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")


@pytest.fixture
def raw(project: Path, images: np.ndarray) -> Path:
    """Give data/raw with 12 images of each of two classes, without images to label."""
    grey = images.reshape(-1, 28, 28)
    save_images(project / "data/raw/train/shoe", grey[:12])
    save_images(project / "data/raw/train/shirt", grey[12:24])
    return project / "data/raw"


def save_table(path: Path, images: np.ndarray, key: str, values: list[str]) -> None:
    header = ",".join([key, *(f"pix{number}" for number in range(1, images[0].size + 1))])
    rows = [",".join(map(str, [value, *image.ravel()])) for value, image in zip(values, images, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")


def settings_of(project: Path) -> Params:
    return check(load_yaml(project / "params.yaml"), source="params.yaml")


def test_a_folder_of_images_is_described(
    project: Path, raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    save_images(raw / "evaluate", images.reshape(-1, 28, 28)[24:29])
    shutil.copy(raw / "train/shoe/0.png", raw / "train/shirt/copy.png")
    color = np.stack([images.reshape(-1, 28, 28)[30]] * 3, axis=2)
    color[:14, :14, 0] = 200
    save_images(raw / "train/boot", color[None])
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert f"wrote {project}/params.yaml for {raw}/train {raw}/evaluate\n" in output
    assert "found 26 labelled images of 3 classes, 5 to be labelled; 28x28 pixels" in output
    assert "in colour" in output
    assert "boot (1)" in output, "a class too small"
    assert "train/shirt/copy.png" in output, "a copy in another class"
    assert output.endswith(
        f"next:\n  source .venv/bin/activate\n  dvc add {raw}/train {raw}/evaluate\n"
        '  git commit --all -m "Use our images"\n  make repro\n'
    )
    params = settings_of(project)
    assert (params.ingest.source, params.split.scheme) == ("folder", "fractions")
    assert len(params.variants) == 5


def test_given_parts_are_used_and_images_to_label_are_optional(
    project: Path, raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for number, part in enumerate(("val", "test"), 1):
        for name in ("shoe", "shirt"):
            save_images(raw / part / name, images.reshape(-1, 28, 28)[30 * number :][:4])
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert f"wrote {project}/params.yaml for {raw}/train {raw}/val {raw}/test\n" in output
    assert "8 of an official test set, none to be labelled" in output
    assert settings_of(project).split.scheme == "official"


@pytest.mark.parametrize(("names", "scheme"), [(["train"], "fractions"), (["train", "test"], "official")])
def test_tables_are_described(
    project: Path, images: np.ndarray, capsys: pytest.CaptureFixture, names: list[str], scheme: str
) -> None:
    raw = project / "data/raw"
    for name in names:
        save_table(raw / f"{name}.csv", images.reshape(-1, 28, 28)[:30], "label", ["shoe", "shirt"] * 15)
    write_params(project, None, force=False)
    assert "found 30 labelled images of 2 classes" in capsys.readouterr().out
    params = settings_of(project)
    assert (params.ingest.source, params.split.scheme) == ("csv", scheme)


@pytest.mark.parametrize("dotted", [False, True])
def test_idx_files_are_described_also_with_a_dot_in_their_names(
    project: Path, capsys: pytest.CaptureFixture, dotted: bool
) -> None:
    (project / "data/raw/idx").mkdir()
    for path in DATA.glob("*ubyte.gz"):
        name = path.name.removesuffix(".gz")
        target = project / "data/raw/idx" / (name.replace("-idx", ".idx") if dotted else name)
        target.write_bytes(gzip.decompress(path.read_bytes()))
    write_params(project, None, force=False)
    assert "found 400 labelled images of 10 classes, 100 of an official test set" in capsys.readouterr().out
    params = settings_of(project)
    assert (params.ingest.source, params.split.scheme) == ("idx", "official")


def test_idx_files_beside_their_folder_are_refused_with_the_place_for_them(project: Path) -> None:
    shutil.copy(DATA / "train-images-idx3-ubyte.gz", project / "data/raw/train-images.idx3-ubyte.gz")
    with pytest.raises(InputError, match="train-images.idx3-ubyte.gz: IDX files belong .* put all four into .*raw/idx"):
        write_params(project, None, force=False)


def test_all_names_of_given_validation_images_are_known() -> None:
    assert set(VALIDATION) < set(SOURCES["folder"])
    assert {f"{name}.csv" for name in VALIDATION} < set(SOURCES["csv"])


def test_what_lies_in_raw_and_is_not_used_is_named(project: Path, raw: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("README.md", "train.dvc", ".gitignore", "labels.csv"):
        (raw / name).write_text("")
    (raw / "holdout").mkdir()
    write_params(project, None, force=False)
    assert f"note: holdout, labels.csv in {raw} is not used; " in capsys.readouterr().out


def test_a_link_to_images_is_refused_with_the_way_out(project: Path, raw: Path, tmp_path: Path) -> None:
    (raw / "train").rename(tmp_path / "elsewhere")
    (raw / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="data/raw/train: a link .* copy the images .*dvc import-url"):
        write_params(project, None, force=False)


def test_faulty_images_are_all_named_and_after_they_are_mended_init_runs_again(project: Path, raw: Path) -> None:
    for name in ("3.png", "5.png"):
        (raw / "train/shoe" / name).write_bytes(b"")
    for _ in range(2):  # params.yaml, which it has written, is not in its way
        with pytest.raises(InputError, match="2 files cannot be used: .*3.png.*5.png"):
            write_params(project, None, force=False)
    for name in ("3.png", "5.png"):
        shutil.copy(raw / "train/shirt" / name, raw / "train/shoe" / name)
    write_params(project, None, force=False)


def test_durations_of_earlier_trainings_are_removed(project: Path) -> None:
    durations = project / "benchmarks/durations.json"
    durations.parent.mkdir()
    durations.write_text('{"finetune": 1261.1}')
    write_params(project, "csv", force=False)
    assert durations.read_text() == "{}\n"


def test_earlier_trainings_with_other_seeds_are_removed(project: Path, capsys: pytest.CaptureFixture) -> None:
    files = {"seeds/params.yaml": "trainings: {base-1: {}}\n", "seeds/dvc.lock": "", "seeds/seeds.json": "{}"}
    for name, text in {**files, "metrics/seeds.json": '{"base": {}}'}.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    write_params(project, "csv", force=False)
    assert "removed seeds/dvc.lock and seeds/seeds.json, results of other images: git shows" in capsys.readouterr().out
    assert (project / "metrics/seeds.json").read_text() == "{}\n"
    assert load_yaml(project / "seeds/params.yaml") == {"trainings": {}, "finetunings": {}, "tables": []}
    assert not (project / "seeds/dvc.lock").exists()
    assert not (project / "seeds/seeds.json").exists()


def test_without_images_the_source_must_be_named(project: Path) -> None:
    with pytest.raises(InputError, match="no images found; put a folder train/ .* there, or choose with --source"):
        write_params(project, None, force=False)
    for source in SOURCES:
        write_params(project, source, force=True)


def test_nested_classes_are_read_after_the_command_that_the_message_names(
    project: Path, raw: Path, capsys: pytest.CaptureFixture
) -> None:
    save_images(raw / "train/coats/winter", np.zeros((3, 28, 28), np.uint8))
    with pytest.raises(InputError, match="a folder among images; .*: `make init NESTED=1`"):
        write_params(project, None, force=False)
    write_params(project, None, force=False, nested=True)
    assert "27 labelled images of 3 classes" in capsys.readouterr().out
    assert settings_of(project).ingest.classes_from == "nested"


def test_a_table_of_images_that_are_not_square_is_read_after_the_command_that_the_message_names(
    project: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    save_table(project / "data/raw/train.csv", images[:30, 0, :27], "label", ["shoe", "shirt"] * 15)
    with pytest.raises(InputError, match="756 pixels are not a square image; .*: `make init SHAPE='28 56'`"):
        write_params(project, None, force=False)
    write_params(project, None, force=False, shape=[27, 28])
    assert "27x28 pixels" in capsys.readouterr().out
    assert settings_of(project).ingest.shape == [27, 28]


@pytest.mark.parametrize(
    ("source", "options", "complaint"),
    [
        ("csv", {"nested": True}, "fashion init: ingest: classes_from: nested is for folders"),
        ("idx", {"shape": [28, 56]}, "fashion init: ingest: shape is for tables"),
        ("csv", {"shape": [28, 56, 4]}, "fashion init: ingest.shape: expected null, .* with 1 or 3 channels"),
        ("csv", {"shape": [28]}, "fashion init: ingest.shape: expected null, "),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_written(
    project: Path, source: str, options: dict, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        write_params(project, source, force=False, **options)
    assert not (project / "params.yaml").exists()


def test_a_table_of_a_split_is_used_and_added_to_dvc(project: Path, raw: Path, capsys: pytest.CaptureFixture) -> None:
    parts = ["train", "validation", "test"]
    rows = [f"{name}/{number}.png,{parts[number % 3]}" for name in ("shirt", "shoe") for number in range(12)]
    (raw / "split.csv").write_text("\n".join(["id,part", *rows]))
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert "found 16 labelled images of 2 classes, 8 of an official test set" in output
    assert f"dvc add {raw}/train {raw}/split.csv\n" in output
    assert "is not used" not in output
    assert settings_of(project).split.file == "split.csv"


def test_few_images_are_split_in_folds_unless_validation_images_are_given(
    project: Path, raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    write_params(project, None, force=False)
    assert settings_of(project).split.folds == 5
    assert "\nset split.folds: 5, since there are fewer than 5,000 labelled images: " in capsys.readouterr().out
    for name in ("shoe", "shirt"):
        save_images(raw / "val" / name, images.reshape(-1, 28, 28)[:4])
    write_params(project, None, force=False)  # it has not been changed by hand
    assert settings_of(project).split.folds == 0
    assert "folds" not in capsys.readouterr().out


def test_no_folds_are_made_of_classes_that_are_too_small_for_them(project: Path, raw: Path) -> None:
    for path in [*raw.glob("train/*/1?.png"), *raw.glob("train/*/9.png")]:
        path.unlink()
    write_params(project, None, force=False)
    assert settings_of(project).split.folds == 0


def test_systems_for_uneven_classes_are_chosen_by_balanced_accuracy(
    project: Path, raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    write_params(project, None, force=False)
    params = settings_of(project)
    assert (params.train.choose_by, params.finetune.choose_by) == ("accuracy", "accuracy")
    save_images(raw / "train/bag", images.reshape(-1, 28, 28)[30:31])
    write_params(project, None, force=False)
    params, output = settings_of(project), capsys.readouterr().out
    assert (params.train.choose_by, params.finetune.choose_by) == ("balanced_accuracy", "balanced_accuracy")
    assert "\nset choose_by: balanced_accuracy, since the largest class has more than 10 times the images" in output
    assert "a class needs 4 images in train/: add some, or set ingest.min_class_size: 4 in params.yaml" in output
    assert "leave out bag (1)\n" in output


def test_with_a_test_set_folds_validate_and_a_class_that_only_it_has_is_not_too_small(
    project: Path, raw: Path, images: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    write_params(project, None, force=False)
    assert "each is tested by a model that has not seen it, and a system is trained 5 times" in capsys.readouterr().out
    rows = [f"{name}/{number}.png,train" for name in ("shirt", "shoe") for number in range(12)]
    save_images(raw / "train/bag", images.reshape(-1, 28, 28)[30:32])
    rows += [f"bag/{number}.png,test" for number in range(2)]
    (raw / "split.csv").write_text("\n".join(["id,part", *rows]))
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert "each validates a model that is trained on others, and a system is trained 5 times" in output
    assert "has not seen it" not in output
    assert "choose_by" not in output
    assert "a class needs" not in output


def test_a_table_of_groups_is_added_to_dvc(project: Path, raw: Path, capsys: pytest.CaptureFixture) -> None:
    (raw / "groups.csv").write_text("file,group\ntrain/shoe/0.png,1\n")
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert f"  dvc add {raw}/train {raw}/groups.csv\n" in output
    assert "not used" not in output


def test_uncommitted_changes_are_not_overwritten(project: Path) -> None:
    (project / "params.yaml").write_text("mine: 1\n")
    with pytest.raises(InputError, match="has uncommitted changes; commit them, or run `fashion init --force`"):
        write_params(project, "csv", force=False)
    run(project, "git", "add", "params.yaml")
    run(project, "git", "commit", "--quiet", "--message=Mine")
    write_params(project, "csv", force=False)


def test_a_pretrained_network_becomes_the_final_model(project: Path, raw: Path, capsys: pytest.CaptureFixture) -> None:
    (project / "data/weights").mkdir()
    for name in ("resnet18.pth", "resnet34.pth", "mine.safetensors", "README.md"):
        (project / f"data/weights/{name}").write_bytes(b"weights")
    write_params(project, None, force=False)
    output = capsys.readouterr().out
    assert "set model to resnet18 with the weights data/weights/resnet18.pth; the variants features_logistic" in output
    assert "note: data/weights/mine.safetensors is not used: resnet18.pth is\n" in output
    assert f"dvc add {raw}/train {project}/data/weights/resnet18.pth\n" in output
    params = settings_of(project)
    sha256 = hashlib.sha256(b"weights").hexdigest()
    weights = {"network": "resnet18", "pretrained": "data/weights/resnet18.pth", "sha256": sha256}
    assert params.model.arguments == params.embed["backbone"].arguments.model_dump() == weights
    assert params.model.input.size == params.embed["backbone"].input.size == 128  # twice the size, and 128 at least
    assert params.variants["features_logistic"].image_folder == "embedded/backbone"
    assert params.variants["from_nothing"].phases["main"].max_epochs == 389
    assert params.split.folds == 5
    write_params(project, None, force=False)
    (project / "data/weights/resnet18.pth").unlink()
    (project / "data/weights/resnet34.pth").unlink()
    write_params(project, None, force=True)
    assert settings_of(project).model.family == "whitened_cnn"
    assert "data/weights/mine.safetensors is not used: its name is not that of a network" in capsys.readouterr().out


def test_with_many_small_images_a_pretrained_network_is_a_variant(
    project: Path, raw: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "data/weights").mkdir()
    (project / "data/weights/resnet18.pth").write_bytes(b"weights")
    monkeypatch.setattr(init, "VERY_FEW_IMAGES", 24)
    for _ in range(2):  # the second time over the settings of the first
        write_params(project, None, force=False)
    assert (
        "added the variant finetuned: resnet18 with the weights data/weights/resnet18.pth, since there are 24 im"
        in (capsys.readouterr().out)
    )
    params = settings_of(project)
    assert params.model.family == "whitened_cnn"
    assert params.variants["finetuned"].family == params.variants["features_logistic"].family == "timm"
    assert params.variants["finetuned"].phases["all"].ema == 0.98
    assert "from_nothing" not in params.variants
    assert list(raw.iterdir()) == [raw / "train"]


@pytest.mark.parametrize(
    ("side", "images", "gains", "size"),
    [(48, 10_000, True, 128), (47, 499, True, 128), (47, 500, False, 128), (100, 500, True, 200), (200, 5, True, 224)],
)
def test_the_choice_of_a_pretrained_network_follows_size_and_number_of_the_images(
    side: int, images: int, gains: bool, size: int
) -> None:
    found = Description("", [], {"shoe": images}, side, has_test=False, has_validation=False)
    assert init.gains_by_weights(found) == gains
    text = init.add_weights(init.TEMPLATE.read_text(), "resnet18", Path("w.pth"), "0" * 64, found)
    assert text.count(f"input: {{size: {size}, scaling: unit}}") == 4


def test_without_timm_a_pretrained_network_is_not_used_and_the_remedy_is_told(
    project: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "data/weights").mkdir()
    (project / "data/weights/resnet18.pth").write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "timm", None)
    write_params(project, "folder", force=False)
    assert "data/weights is not used: the family timm needs more packages" in capsys.readouterr().out
    assert settings_of(project).embed == {}


def test_a_wrong_folder_is_an_error_of_one_line_with_status_2(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-m", "fashion", "init"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: dvc.yaml: no such file; run from the project's root\n"


def test_help_describes_the_command(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fashion", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "write params.yaml for your own images" in capsys.readouterr().out


def test_a_virtual_environment_that_is_a_link_is_named_as_the_reason(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-torch.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "packages/abreast").mkdir(parents=True)
    shutil.copy(ROOT / "packages/abreast/pyproject.toml", tmp_path / "packages/abreast")
    (tmp_path / ".venv").symlink_to(tmp_path / "packages")
    result = subprocess.run(["make", "init"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert "error: .venv: a link, where Python makes no virtual environment; remove it: rm .venv\n" in result.stderr
    assert "python3-venv" not in result.stdout + result.stderr
