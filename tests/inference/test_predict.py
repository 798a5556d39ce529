"""Label images in all the formats that people have, with nothing but a model file."""

import copy
import csv
import dataclasses
import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from clone import DATA, ROOT
from fashion.classifier import device
from fashion.classifier.classifier import Classifier, energy_score
from fashion.classifier.model_file import save
from fashion.cli import csv_rows
from fashion.errors import InputError
from fashion.inference.predict import Predictions, predict
from fashion.sources.idx import read_idx


@pytest.fixture
def expected(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    framed = classifier.frame.centred(images[:6, None])
    return classifier.log_probabilities(framed, torch.device("cpu")).exp().numpy()


@pytest.fixture
def expected_color(color_classifier: Classifier, color_images: np.ndarray) -> np.ndarray:
    framed = color_classifier.frame.centred(color_images[:6])
    return color_classifier.log_probabilities(framed, torch.device("cpu")).exp().numpy()


def save_images(folder: Path, images: np.ndarray) -> Path:
    """Save grey images, N x H x W, or colour images, N x 3 x H x W, as files."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images if images.ndim == 3 else np.moveaxis(images, 1, -1)):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def save_table(path: Path, images: np.ndarray, **columns: list) -> Path:
    pixels = pd.DataFrame(
        images.reshape(len(images), -1), columns=[f"pix{number}" for number in range(1, images[0].size + 1)]
    )
    pixels.assign(**columns).to_csv(path, index=False)
    return path


def resize(images: np.ndarray, width: int = 28, height: int = 28) -> np.ndarray:
    return np.stack([Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR) for image in images])


def assert_probabilities(predictions: Predictions, expected: np.ndarray) -> None:
    np.testing.assert_allclose(predictions.probabilities, expected, atol=1e-5)


def test_a_folder_and_an_image_file_are_labelled(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "shop/shoes", images[:6])
    (tmp_path / "shop/prices.txt").write_text("12.99")
    predictions = predict(tmp_path / "shop", model)
    assert predictions.images == [f"{folder}/{number}.png" for number in range(6)]
    assert_probabilities(predictions, expected)
    assert_probabilities(predict([folder / "2.png"], model), expected[2:3])


@pytest.mark.parametrize(
    ("columns", "names"),
    [({"ID": ["a", "007", "NA"]}, ["a", "007", "NA"]), ({"label": [1, 2, 3]}, ["0", "1", "2"]), ({}, ["0", "1", "2"])],
)
def test_a_table_is_labelled_by_ids_or_row_numbers(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path, columns: dict, names: list[str]
) -> None:
    path = save_table(tmp_path / "images.csv", images[:3], **columns)
    predictions = predict(path, model)
    assert predictions.images == [f"{path}:{name}" for name in names]
    assert_probabilities(predictions, expected[:3])


def test_an_array_and_an_npy_file_are_labelled(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "images.npy", images[:6])
    assert_probabilities(predict(tmp_path / "images.npy", model), expected)
    assert_probabilities(predict(images[:6], model), expected)


def test_colour_images_are_labelled_in_all_formats(
    color_model: Path, color_images: np.ndarray, expected_color: np.ndarray, tmp_path: Path
) -> None:
    colored = color_images[:6]
    np.save(tmp_path / "first.npy", colored)
    np.save(tmp_path / "last.npy", np.moveaxis(colored, 1, -1))
    sources = [colored, np.moveaxis(colored, 1, -1), tmp_path / "first.npy", tmp_path / "last.npy"]
    for source in [*sources, save_images(tmp_path / "folder", colored)]:
        assert_probabilities(predict(source, color_model), expected_color)


def test_a_table_of_colour_images_is_labelled_by_their_model(
    color_model: Path, color_images: np.ndarray, expected_color: np.ndarray, tmp_path: Path
) -> None:
    table = save_table(tmp_path / "images.csv", color_images[:6].transpose(0, 2, 3, 1))
    assert_probabilities(predict(table, color_model), expected_color)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_grey_model_makes_colour_grey_in_arrays_as_in_files(
    model: Path, color_images: np.ndarray, tmp_path: Path, channels_last: bool
) -> None:
    folder = save_images(tmp_path / "folder", color_images[:6])
    array = np.moveaxis(color_images[:6], 1, -1) if channels_last else color_images[:6]
    grey = np.stack([Image.open(folder / f"{number}.png").convert("L") for number in range(6)])
    expected = predict(grey, model).probabilities
    assert_probabilities(predict(folder, model), expected)
    assert_probabilities(predict(array, model), expected)


def test_a_colour_model_repeats_grey_in_arrays_as_in_files(
    color_model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[:6])
    expected = predict(np.repeat(images[:6, None], 3, axis=1), color_model).probabilities
    for source in (folder, images[:6], images[:6, None], images[:6, :, :, None]):
        assert_probabilities(predict(source, color_model), expected)


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "images.idx3-ubyte", "mine"])
def test_an_idx_file_is_labelled_by_numbers(model: Path, tmp_path: Path, name: str) -> None:
    content = (DATA / "t10k-images-idx3-ubyte.gz").read_bytes()
    path = tmp_path / name
    path.write_bytes(content if name.endswith(".gz") else gzip.decompress(content))
    predictions = predict(path, model)
    assert predictions.images[:2] == [f"{path}:0", f"{path}:1"]
    array = read_idx(DATA / "t10k-images-idx3-ubyte.gz", dimensions=3, sha256=None).reshape(-1, 28, 28)
    assert_probabilities(predictions, predict(array, model).probabilities)


def test_several_inputs_are_labelled_in_the_order_given(
    model: Path, images: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[4:6])
    table = save_table(tmp_path / "images.csv", images[:2], ID=["a", "b"])
    assert_probabilities(predict([table, images[2:4], folder], model), expected)


def test_more_images_than_are_read_at_a_time_are_labelled(
    model: Path, images: np.ndarray, expected: np.ndarray
) -> None:
    assert_probabilities(predict(np.resize(images[:6], (2400, 28, 28)), model), np.resize(expected, (2400, 10)))


def test_an_image_of_another_size_is_resized(classifier: Classifier, images: np.ndarray) -> None:
    framed = np.pad(images[:50], ((0, 0), (2, 2), (2, 2)), constant_values=9)  # not black, so part of the image
    large = np.kron(images[:50], np.ones((3, 3), np.uint8))
    plain = predict(images[:50], classifier)
    assert_probabilities(predict(large, classifier), predict(resize(large), classifier).probabilities)
    assert_probabilities(predict(framed, classifier), predict(resize(framed), classifier).probabilities)
    assert np.mean(predict(large, classifier).labels == plain.labels) > 0.6  # by chance a tenth


def test_images_with_the_margin_of_the_training_images_are_not_resized(
    model: Path,
    images: np.ndarray,
    expected: np.ndarray,
    color_classifier: Classifier,
    color_images: np.ndarray,
    expected_color: np.ndarray,
) -> None:
    assert_probabilities(predict(np.pad(images[:6], ((0, 0), (2, 2), (2, 2))), model), expected)
    framed = color_classifier.frame.centred(color_images[:6])
    assert_probabilities(predict(framed, color_classifier), expected_color)


def test_whether_an_array_has_the_margin_is_decided_for_all_of_its_images(
    classifier: Classifier, images: np.ndarray
) -> None:
    mixed = np.concatenate([np.pad(images[:3], ((0, 0), (2, 2), (2, 2))), resize(images[3:6], 32, 32)])
    assert mixed[3:, :2].any(), "these fill the array"
    assert_probabilities(predict(mixed, classifier), predict(resize(mixed), classifier).probabilities)


def test_classes_and_confidence_are_those_of_the_largest_probability(model: Path, images: np.ndarray) -> None:
    predictions = predict(images[:6], model)
    assert predictions.classes == [predictions.class_names[label] for label in predictions.probabilities.argmax(1)]
    np.testing.assert_array_equal(predictions.confidence, predictions.probabilities.max(1))
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=1e-5)


def test_a_model_trained_in_bf16_predicts_in_bf16_and_in_fp32_if_asked(
    classifier: Classifier, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda _: True)
    fp32 = predict(images[:20], classifier).probabilities  # trained in fp32
    trained_in_bf16 = dataclasses.replace(classifier, environment={**classifier.environment, "precision": "bf16"})
    assert_probabilities(predict(images[:20], trained_in_bf16, precision="fp32"), fp32)
    assert 1e-4 < abs(predict(images[:20], trained_in_bf16).probabilities - fp32).max() < 0.2


def test_an_image_is_out_of_distribution_if_its_energy_score_is_below_the_threshold(
    classifier: Classifier, images: np.ndarray
) -> None:
    scores = energy_score(classifier.logits(classifier.frame.centred(images[:, None]), torch.device("cpu"))).numpy()
    for threshold in (classifier.threshold, float(np.median(scores))):
        changed = dataclasses.replace(classifier, threshold=threshold)
        np.testing.assert_array_equal(predict(images, changed).out_of_distribution, scores < threshold)
    assert not predict(images, dataclasses.replace(classifier, threshold=None)).out_of_distribution.any()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 28, 28)), "array: float64 of 2x28x28; expected levels from 0 to 255 as uint8"),
        (np.zeros((2, 28, 28, 4), np.uint8), "array: uint8 of 2x28x28x4; expected .* 1 or 3 channels before or after"),
        (np.zeros((2, 28, 28), np.uint16), "array: uint16 of 2x28x28; expected"),
        (np.zeros((28, 28, 3), np.uint8), "array: uint8 of 28x28x3; expected"),
        (np.zeros((2, 784), np.uint8), "array: uint8 of 2x784; expected .* also for a single image"),
        (np.zeros((0, 28, 28), np.uint8), "array: uint8 of 0x28x28; expected"),
    ],
)
def test_an_array_of_another_shape_or_type_is_refused(model: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(array, model)


def test_a_file_that_cannot_be_read_is_refused_with_its_name(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "archive.npy").write_bytes(b"PK\x03\x04")
    (tmp_path / "long.csv").write_text("pix1," + "x" * 200_000)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("no image")
    for name, message in {
        "nothing.png": "no such file or folder",
        "empty": "no images in this folder",
        "notes": "no images in this folder; files that are no images: 1, the first .*notes/a.txt",
        "cut.npy": "not an array that NumPy can read",
        "archive.npy": "not an array that NumPy can read",
        "long.csv": "unknown column 'xxx",
        "text.png": "not an image in a known format",
    }.items():
        with pytest.raises(InputError, match=f"{name}: {message}"):
            predict(tmp_path / name, model)
    with pytest.raises(InputError, match="no images: give"):
        predict([], model)


def fashion(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command `fashion` in a folder without anything else of the project."""
    return subprocess.run(
        [sys.executable, "-m", "fashion", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )


def test_a_model_is_used_without_the_packages_of_the_pipeline(tmp_path: Path) -> None:
    code = (
        "import sys, fashion.cli, fashion.inference.predict, fashion.inference.export; "
        "print({'dvc', 'jinja2', 'matplotlib', 'pandas', 'requests', 'ruamel.yaml', 'sklearn'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


def test_predict_writes_a_table(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images[:3])
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8))
    plain = fashion(tmp_path, "predict", "images.npy", "--model", model.name)
    assert plain.stdout.splitlines()[0] == "image,label,class,confidence,out_of_distribution"
    assert [line.split(",")[0] for line in plain.stdout.splitlines()[1:]] == [
        "images.npy:0",
        "images.npy:1",
        "images.npy:2",
    ]
    options = ["--probabilities", "--output", "out.csv"]
    result = fashion(tmp_path, "predict", "images.npy", "noise.npy", "--model", model.name, *options)
    assert "predict: 12 images labelled in out.csv" in result.stdout
    assert ("are out of distribution" in result.stderr) == (",yes" in (tmp_path / "out.csv").read_text())
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    probabilities = [float(rows[0][f"probability of {number}"]) for number in range(10)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    assert float(rows[0]["confidence"]) == pytest.approx(max(probabilities), abs=1e-4)
    assert rows[0]["label"] == str(int(np.argmax(probabilities)))


def test_all_files_that_cannot_be_read_are_named(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, image in enumerate(images[:9]):
        Image.fromarray(image).save(folder / f"{number}.jpg")
    for number in (4, 7, 8):
        content = (folder / f"{number}.jpg").read_bytes()
        (folder / f"{number}.jpg").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match="3 files cannot be used") as error:
        predict(folder, model)
    assert re.findall(r"\d\.jpg", str(error.value)) == ["4.jpg", "7.jpg", "8.jpg"]
    for number in (1, 3):
        (folder / f"{number}.jpg").write_text("no image")
    with pytest.raises(InputError, match="2 files cannot be used") as error:
        predict(folder, model)
    assert re.findall(r"\d\.jpg", str(error.value)) == ["1.jpg", "3.jpg"], "headers are checked before pixels"
    with pytest.raises(InputError, match="2 files cannot be used: .*none.png: no such file .*cut.npy: not an array"):
        (tmp_path / "cut.npy").write_bytes(b"NUMPY")
        predict([tmp_path / "none.png", tmp_path / "cut.npy", folder / "0.jpg"], model)


def test_a_folder_has_the_images_that_ingest_would_take_and_names_what_is_skipped(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    (folder / "more").mkdir(parents=True)
    names = ["a.jfif", "b.jpe", "c", "d.gif", "e.PNG", "more/f.ppm", "more/g.jp2"]
    for image, name, kind in zip(images, names, ["JPEG", "JPEG", "PNG", "GIF", "PNG", "PPM", "JPEG2000"], strict=False):
        Image.fromarray(image).save(folder / name, format=kind)
    (folder / "list.csv").write_text("a,b")
    (folder / "more/Thumbs.db").write_bytes(b"windows")
    (folder / "more/notes.txt").write_text("no image")
    predictions = predict(folder, model)
    assert predictions.images == [f"{folder}/{name}" for name in names]
    assert predictions.skipped == [f"{folder}/list.csv", f"{folder}/more/notes.txt"]
    result = fashion(tmp_path, "predict", "folder", "--model", model.name)
    assert result.returncode == 0
    assert "skipped files that are no images: 2, the first folder/list.csv\n" in result.stderr
    assert len(result.stdout.splitlines()) == 8


def test_hidden_folders_are_left_out_and_links_to_nothing_are_named_as_skipped(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[:2])
    save_images(folder / ".thumbnails/small", images[2:4])
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    predictions = predict(folder, model)
    assert predictions.images == [f"{folder}/0.png", f"{folder}/1.png"]
    assert predictions.skipped == [f"{folder}/lost.png"]


def test_images_of_16_bits_for_a_model_of_8_bits_are_warned_of_once(
    classifier: Classifier, model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[:2])
    for number in (5, 6):
        Image.fromarray(images[number].astype(np.uint16) * 257).save(folder / f"{number}.png")
    result = fashion(tmp_path, "predict", "folder", "--model", model.name)
    warnings = [line for line in result.stderr.splitlines() if "more than 8 bits" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: 2 of 4 images have more than 8 bits, the first folder/5.png; the model was")
    deep = dataclasses.replace(classifier, frame=classifier.frame.model_copy(update={"levels": [0, 4095]}))
    assert predict(folder, deep).deep == []


def test_a_folder_as_output_is_refused(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images[:3])
    result = fashion(tmp_path, "predict", "images.npy", "--model", model.name, "--output", ".")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "error: .: a folder; name a file in it" in result.stderr


def test_predict_warns_of_images_that_are_out_of_distribution(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    save(dataclasses.replace(classifier, threshold=1e6), tmp_path / "high_threshold.safetensors")
    np.save(tmp_path / "images.npy", images[:3])
    result = fashion(tmp_path, "predict", "images.npy", "--model", "high_threshold.safetensors")
    assert result.stderr == (
        "warning: 3 of 3 images are out of distribution, the first images.npy:0; their labels may be wrong "
        "(5% of validation images are out of distribution)\n"
    )
    assert [line.rpartition(",")[2] for line in result.stdout.splitlines()[1:]] == ["yes"] * 3


def test_info_describes_a_model(model: Path, color_model: Path, tmp_path: Path) -> None:
    output = fashion(tmp_path, "info", model.name).stdout
    for line in (
        "family       whitened_cnn",
        "images       grey, 28x28 pixels (height x width); larger ones are shrunk, smaller ones padded",
        "background   0\n",
        "levels       0 to 255; in images of more than 8 bits 0 to 65,535 become these",
        "shift_and_flip",
        "classes      10: 0, 1, 2",
        "fp32",
    ):
        assert line in output
    output = fashion(tmp_path, "info", color_model.name).stdout
    assert "images       red, green and blue, 24x30 pixels (height x width); " in output
    assert "smaller ones enlarged\nbackground   250, 240, 30\n" in output


@pytest.mark.parametrize("arguments", [["predict", "none.png"], ["info"], ["export"]])
def test_a_missing_model_is_an_error_of_one_line(arguments: list[str], tmp_path: Path) -> None:
    result = fashion(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "models/final.safetensors: no such model; `make quick`" in result.stderr
    (tmp_path / "quick/models").mkdir(parents=True)
    (tmp_path / "quick/models/final.safetensors").touch()
    assert "no such model; quick/models/final.safetensors is one that" in fashion(tmp_path, *arguments).stderr


def test_no_command_overwrites_its_input(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images[:3])
    before = model.read_bytes()
    for arguments in (
        ["predict", "images.npy", "--model", model.name, "--output", "images.npy"],
        ["export", model.name, "--output", model.name],
    ):
        result = fashion(tmp_path, *arguments)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "an input, which would be overwritten; name another file" in result.stderr
    assert np.load(tmp_path / "images.npy").shape == (3, 28, 28)
    assert model.read_bytes() == before


def test_names_that_are_not_utf_8_are_escaped_and_files_of_the_operating_system_are_left_out(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = save_images(tmp_path / "folder", images[:1])
    Image.fromarray(images[1]).save(os.fsencode(folder) + b"/sch\xfch.png", format="PNG")
    (folder / "._0.png").write_bytes(b"finder")
    assert predict(folder, model).images == [f"{folder}/0.png", f"{folder}/sch\\xfch.png"]


def test_control_characters_in_names_are_escaped(model: Path, images: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(images[0]).save(tmp_path / "a\nb\x1b[31m.png")
    assert predict(tmp_path / "a\nb\x1b[31m.png", model).images == [rf"{tmp_path}/a\nb\x1b[31m.png"]


def test_predict_refuses_names_that_are_formulas_and_pipes_in_one_line(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(images[0]).save(tmp_path / "=cmd().png")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "evil\x1b[31m.csv").write_text("pix1\n\x1b[31mred\n")
    before = sorted(tmp_path.iterdir())
    for name, message in {
        "=cmd().png": "a spreadsheet would take this name for a formula; rename it, or give its full path",
        "pipe.npy": "A pipe or a device, not a file",
        "evil\x1b[31m.csv": r"line 2, column pix1: '\x1b[31mred' is not a grey level",
    }.items():
        result = fashion(tmp_path, "predict", name, "--model", model.name, "--output", "out.csv")
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert message in result.stderr
        assert "\x1b" not in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_whose_weights_are_nan_is_refused(classifier: Classifier, images: np.ndarray) -> None:
    broken = dataclasses.replace(classifier, model=copy.deepcopy(classifier.model))
    next(broken.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(InputError, match="its probabilities are not finite"):
        predict(images[:1], broken)


def test_images_that_are_not_square_are_enlarged_if_the_training_images_were(
    classifier: Classifier, images: np.ndarray
) -> None:
    wide = images[:3, :7, :14].copy()
    enlarging = dataclasses.replace(classifier, frame=classifier.frame.model_copy(update={"enlarge": True}))
    padded = np.pad(resize(wide, 28, 14), ((0, 0), (7, 7), (0, 0)))
    assert_probabilities(predict(wide, enlarging), predict(padded, classifier).probabilities)


def test_a_class_name_with_a_comma_is_one_cell(classifier: Classifier, images: np.ndarray) -> None:
    names = ["shoe, left", *classifier.classes[1:]]
    predictions = predict(images[:40], dataclasses.replace(classifier, classes=names))
    text = io.StringIO()
    csv.writer(text).writerows(csv_rows(predictions, probabilities=True))
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert {row["class"] for row in rows} <= set(names)
    assert "probability of shoe, left" in rows[0]
