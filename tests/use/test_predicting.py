"""Images in the forms that people have them in, labelled by a model file alone."""

import copy
import csv
import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from clone import ROOT
from fashion.classifier import device
from fashion.classifier.classifier import Classifier, energy_score
from fashion.classifier.file import save
from fashion.classifier.preparation import Frame
from fashion.command import table
from fashion.errors import InputError
from fashion.use.predicting import Answers, predict


@pytest.fixture
def expected(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    framed = np.pad(images[:6], ((0, 0), (2, 2), (2, 2)))
    return classifier.log_probabilities(framed, torch.device("cpu")).exp().numpy()


def save_images(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def save_table(path: Path, images: np.ndarray, **more: list) -> Path:
    pixels = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pix{number}" for number in range(1, 785)])
    pixels.assign(**more).to_csv(path, index=False)
    return path


def shrunk(images: np.ndarray) -> np.ndarray:
    return np.stack([Image.fromarray(image).resize((28, 28), Image.Resampling.BILINEAR) for image in images])


def same(answers: Answers, expected: np.ndarray) -> None:
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-5)


def test_a_folder_and_an_image_file(model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path) -> None:
    folder = save_images(tmp_path / "shop/shoes", images[:6])
    (tmp_path / "shop/prices.txt").write_text("12.99")
    answers = predict(tmp_path / "shop", model)
    assert answers.images == [f"{folder}/{number}.png" for number in range(6)]
    same(answers, expected)
    same(predict([folder / "2.png"], model), expected[2:3])


@pytest.mark.parametrize(
    ("more", "names"),
    [({"ID": ["a", "007", "NA"]}, ["a", "007", "NA"]), ({"label": [1, 2, 3]}, ["0", "1", "2"]), ({}, ["0", "1", "2"])],
)
def test_a_table(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path, more: dict, names: list[str]
) -> None:
    path = save_table(tmp_path / "images.csv", images[:3], **more)
    answers = predict(path, model)
    assert answers.images == [f"{path}:{name}" for name in names]
    same(answers, expected[:3])


def test_an_array_and_a_file_of_one(model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", images[:6])
    same(predict(tmp_path / "some.npy", model), expected)
    same(predict(images[:6], model), expected)


def test_all_of_them_together_in_the_order_given(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[4:6])
    table = save_table(tmp_path / "images.csv", images[:2], ID=["a", "b"])
    same(predict([table, images[2:4], folder], model), expected)


def test_more_images_than_are_read_at_a_time(model: Path, images: np.ndarray, expected: np.ndarray) -> None:
    same(predict(np.resize(images[:6], (2400, 28, 28)), model), np.resize(expected, (2400, 10)))


def test_an_image_of_another_size_is_seen_whole(classifier: Classifier, images: np.ndarray) -> None:
    framed = np.pad(images[:50], ((0, 0), (2, 2), (2, 2)), constant_values=9)
    large = np.kron(images[:50], np.ones((3, 3), np.uint8))
    plain = predict(images[:50], classifier)
    same(predict(large, classifier), predict(shrunk(large), classifier).probabilities)
    same(predict(framed, classifier), predict(shrunk(framed), classifier).probabilities)
    assert np.mean(predict(large, classifier).labels == plain.labels) > 0.6  # by chance a tenth


def test_an_image_in_the_models_own_margin_is_taken_as_it_is(
    model: Path, images: np.ndarray, expected: np.ndarray
) -> None:
    same(predict(np.pad(images[:6], ((0, 0), (2, 2), (2, 2))), model), expected)


def test_answers_are_named_and_sure_as_their_probabilities_say(model: Path, images: np.ndarray) -> None:
    answers = predict(images[:6], model)
    assert answers.classes == [answers.class_names[label] for label in answers.probabilities.argmax(1)]
    np.testing.assert_array_equal(answers.confidence, answers.probabilities.max(1))
    np.testing.assert_allclose(answers.probabilities.sum(1), 1, atol=1e-5)


def test_a_model_trained_in_bf16_is_used_in_it_where_it_can_be_and_in_fp32_if_asked(
    classifier: Classifier, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda _: True)
    exact = predict(images[:20], classifier).probabilities  # trained in fp32
    other = dataclasses.replace(classifier, environment={**classifier.environment, "precision": "bf16"})
    same(predict(images[:20], other, precision="fp32"), exact)
    assert 1e-4 < abs(predict(images[:20], other).probabilities - exact).max() < 0.2


def test_an_image_is_unlike_whose_energy_score_is_below_the_threshold(
    classifier: Classifier, images: np.ndarray
) -> None:
    scores = energy_score(classifier.logits(classifier.frame.centred(images), torch.device("cpu"))).numpy()
    for threshold in (classifier.threshold, float(np.median(scores))):
        changed = dataclasses.replace(classifier, threshold=threshold)
        np.testing.assert_array_equal(predict(images, changed).unlike, scores < threshold)
    assert not predict(images, dataclasses.replace(classifier, threshold=None)).unlike.any()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 28, 28)), "array: float64 of 2x28x28; expected grey levels from 0 to 255 as uint8"),
        (np.zeros((2, 28, 28, 3), np.uint8), "array: uint8 of 2x28x28x3; expected"),
        (np.zeros((28, 28, 3), np.uint8), "array: uint8 of 28x28x3; expected"),
        (np.zeros((2, 784), np.uint8), "array: uint8 of 2x784; expected .* also for a single image"),
        (np.zeros((0, 28, 28), np.uint8), "array: uint8 of 0x28x28; expected"),
    ],
)
def test_an_array_that_is_no_images_is_refused(model: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(array, model)


def test_what_cannot_be_read_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "archive.npy").write_bytes(b"PK\x03\x04")
    (tmp_path / "long.csv").write_text("pix1," + "x" * 200_000)
    (tmp_path / "text.png").write_text("no image")
    for name, message in {
        "nothing.png": "no such file or folder",
        "empty": "no images in this folder",
        "cut.npy": "not an array that NumPy can read",
        "archive.npy": "not an array that NumPy can read",
        "long.csv": "line 1: no row of a table",
        "text.png": "not an image in a format known here",
    }.items():
        with pytest.raises(InputError, match=f"{name}: {message}"):
            predict(tmp_path / name, model)
    with pytest.raises(InputError, match="no images: name"):
        predict([], model)


def fashion(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command in a folder that has nothing of the project."""
    return subprocess.run(
        [sys.executable, "-m", "fashion", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )


def test_the_command_writes_a_table(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", images[:3])
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8))
    plain = fashion(tmp_path, "predict", "some.npy", "--model", model.name)
    assert plain.stdout.splitlines()[0] == "image,label,class,confidence,unlike"
    assert [line.split(",")[0] for line in plain.stdout.splitlines()[1:]] == ["some.npy:0", "some.npy:1", "some.npy:2"]
    options = ["--probabilities", "--output", "out.csv"]
    whole = fashion(tmp_path, "predict", "some.npy", "noise.npy", "--model", model.name, *options)
    assert "predict: 12 images labelled in out.csv" in whole.stdout
    assert ("unlike those that the model learned from" in whole.stderr) == (
        ",yes" in (tmp_path / "out.csv").read_text()
    )
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    shares = [float(rows[0][f"probability of {number}"]) for number in range(10)]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert float(rows[0]["confidence"]) == pytest.approx(max(shares), abs=1e-4)
    assert rows[0]["label"] == str(int(np.argmax(shares)))


def test_a_folder_in_the_place_of_the_table_is_refused(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", images[:3])
    result = fashion(tmp_path, "predict", "some.npy", "--model", model.name, "--output", ".")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "error: .: a folder; name a file in it" in result.stderr


def test_the_command_warns_of_images_unlike_those_it_knows(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    save(dataclasses.replace(classifier, threshold=1e6), tmp_path / "doubtful.safetensors")
    np.save(tmp_path / "some.npy", images[:3])
    result = fashion(tmp_path, "predict", "some.npy", "--model", "doubtful.safetensors")
    assert result.stderr.startswith("warning: 3 of 3 images are unlike those that the model learned from")
    assert [line.rpartition(",")[2] for line in result.stdout.splitlines()[1:]] == ["yes"] * 3


def test_the_command_tells_what_a_model_holds(model: Path, tmp_path: Path) -> None:
    said = fashion(tmp_path, "info", model.name).stdout
    for line in ("family       whitened_cnn", "28x28 pixels", "six of each image", "classes      10: 0, 1, 2", "fp32"):
        assert line in said


@pytest.mark.parametrize("arguments", [["predict", "none.png"], ["info"], ["export"]])
def test_the_command_refuses_in_one_line(arguments: list[str], tmp_path: Path) -> None:
    result = fashion(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "models/final.safetensors: no such model" in result.stderr


def test_the_command_writes_over_nothing_that_it_reads(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", images[:3])
    before = model.read_bytes()
    for words in (["predict", "some.npy", "--model", model.name, "--output", "some.npy"], ["export", model.name]):
        output = [] if "--output" in words else ["--output", model.name]
        result = fashion(tmp_path, *words, *output)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "is read, and would be overwritten; name another file" in result.stderr
    assert np.load(tmp_path / "some.npy").shape == (3, 28, 28)
    assert model.read_bytes() == before


def test_names_that_are_not_utf_8_and_what_an_operating_system_left(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[:1])
    Image.fromarray(images[1]).save(os.fsencode(folder) + b"/sch\xfch.png", format="PNG")
    (folder / "._0.png").write_bytes(b"finder")
    assert predict(folder, model).images == [f"{folder}/0.png", f"{folder}/sch\\xfch.png"]


def test_names_that_would_break_lines_or_steer_a_terminal_are_escaped(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(images[0]).save(tmp_path / "a\nb\x1b[31m.png")
    assert predict(tmp_path / "a\nb\x1b[31m.png", model).images == [rf"{tmp_path}/a\nb\x1b[31m.png"]


def test_the_command_refuses_what_a_spreadsheet_would_compute_and_what_never_ends(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(images[0]).save(tmp_path / "=cmd().png")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "evil\x1b[31m.csv").write_text("pix1\n\x1b[31mred\n")
    before = sorted(tmp_path.iterdir())
    for name, message in {
        "=cmd().png": "a spreadsheet would take this name for a formula; rename it, or give its whole path",
        "pipe.npy": "A pipe or a device, not a file",
        "evil\x1b[31m.csv": r"line 2, column pix1: '\x1b[31mred' is not a number",
    }.items():
        result = fashion(tmp_path, "predict", name, "--model", model.name, "--output", "out.csv")
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert message in result.stderr
        assert "\x1b" not in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_whose_weights_are_no_numbers_is_refused(classifier: Classifier, images: np.ndarray) -> None:
    broken = dataclasses.replace(classifier, model=copy.deepcopy(classifier.model))
    next(broken.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(InputError, match="gives probabilities that are no numbers"):
        predict(images[:1], broken)


def test_images_that_are_not_square_are_enlarged_where_the_training_images_were(
    classifier: Classifier, images: np.ndarray
) -> None:
    wide = images[:3, :7, :14].copy()
    enlarging = dataclasses.replace(classifier, frame=Frame(side=32, content=28, enlarge=True))
    twice = np.stack([Image.fromarray(image).resize((28, 14), Image.Resampling.BILINEAR) for image in wide])
    padded = np.pad(twice, ((0, 0), (7, 7), (0, 0)))
    same(predict(wide, enlarging), predict(padded, classifier).probabilities)


def test_a_class_with_a_comma_in_its_name_is_one_cell(classifier: Classifier, images: np.ndarray) -> None:
    names = ["shoe, left", *classifier.classes[1:]]
    answers = predict(images[:40], dataclasses.replace(classifier, classes=names))
    text = io.StringIO()
    csv.writer(text).writerows(table(answers, probabilities=True))
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert {row["class"] for row in rows} <= set(names)
    assert "probability of shoe, left" in rows[0]
