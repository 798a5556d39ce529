"""The stages that draw images, with colour photographs that are wider than high and no images to label."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clone import ROOT
from fashion.files import read_json, write_array, write_json, write_rows, write_text
from fashion.images.copies import augment
from fashion.images.parts import Part
from fashion.params import Params, check
from fashion.results.comparison import escape_class_names, roc_curves
from fashion.results.metrics import calibration, score
from fashion.settings.parsing import load_yaml
from small import colour_tiles
from stages import paths
from stages.figures import show_data, show_predictions

CLASSES = ["<temple>", "flower"]
NOTES = ["2 classes have fewer than 10 labelled images"]


@pytest.fixture
def params() -> Params:
    return check(load_yaml(ROOT / "params.yaml"), source="params.yaml")


@pytest.fixture
def predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with the files of the stages before: parts of 40 images, of which a tenth is labelled wrongly."""
    monkeypatch.chdir(tmp_path)
    images, labels = colour_tiles(48, 120)
    images, labels = np.resize(images, (120, *images.shape[1:])), np.resize(labels, 120)
    rows = []
    for number, part in enumerate(("train", "validation", "test")):
        for place, label in enumerate(labels[40 * number : 40 * number + 40]):
            rows.append({"file": f"{part}/{CLASSES[label]}/{place}.png", "part": part})
    write_rows(paths.SPLIT / "samples.csv", rows)
    for name, chosen in (("labelled", slice(None)), ("test", slice(80, None))):
        write_array(paths.images(paths.SPLIT, name), images[chosen])
        write_array(paths.labels(paths.SPLIT, name), labels[chosen])
    write_array(paths.PARTS, np.repeat([[Part.TRAIN, Part.VALIDATION, Part.TEST]], 40, axis=1).astype(np.uint8))
    write_array(paths.images(paths.AUGMENTED, "labelled"), augment(images, crop=2, background=[0, 0, 0]))
    write_array(paths.images(paths.INGESTED, "unlabelled"), images[:0])
    write_json(paths.ABOUT, {"classes": CLASSES})
    write_json(paths.NOTES, NOTES)

    labels = labels[80:].astype(int)
    guesses = np.where(np.arange(40) % 10, labels, 1 - labels)
    log_probabilities = np.log(np.eye(2)[guesses] * 0.6 + 0.2)
    scores = score(labels, log_probabilities, CLASSES) | {
        "calibration": calibration(labels, log_probabilities, log_probabilities, [1.0]),
        "robustness": [{"change": "none", "amount": "", "accuracy": 0.9, "images": 40}],
    }
    write_json(paths.scores("final"), scores)
    write_array(paths.log_probabilities("final"), log_probabilities)
    write_array(paths.TRAIN_PREDICTIONS, np.stack([labels, guesses]).astype(np.uint16))
    write_text(paths.PREDICTED / "results.csv", "ID,label,confidence,out_of_distribution,class\n")
    roc = roc_curves(labels, log_probabilities, escape_class_names(CLASSES))
    write_text(paths.PLOTS / "roc.csv", roc.to_csv(index=False))
    return tmp_path


def test_counts_have_the_shape_of_images_and_the_notes_on_the_data(predicted: Path, params: Params) -> None:
    show_data.main(params)
    assert read_json(predicted / "plots/data/counts.json") == {
        "images": {"train": 40, "validation": 40, "test": 40, "unlabelled": 0},
        "labelled": 120,
        "folds": 0,
        "tested_in_folds": False,
        "channels": 3,
        "height": 48,
        "width": 120,
        "notes": NOTES,
    }
    svg = (predicted / "plots/data/pixels.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in svg for name in ("red", "green", "blue", "48 x 120"))


def test_answers_carry_the_files_of_the_test_images(predicted: Path, params: Params) -> None:
    show_predictions.main(params)
    answers = read_json(predicted / "plots/final/answers.json")
    mistakes = [image["number"] for image in answers["gallery"]]
    assert sorted(mistakes) == [0, 10, 20, 30]
    labels = np.load(paths.labels(paths.SPLIT, "test"))
    expected = [f"test/{CLASSES[labels[number]]}/{number}.png" for number in mistakes]
    assert answers["files"][:4] == expected
    assert {"actual", "predicted", "confidence", "number"} == set(answers["gallery"][0])


def test_roc_curves_have_the_names_of_their_classes(predicted: Path, params: Params) -> None:
    show_predictions.main(params)
    svg = (predicted / "plots/final/roc.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in svg for name in ("&lt;temple&gt;", "flower"))


def test_the_images_of_answers_are_colour_tiles_of_at_most_64_pixels(predicted: Path, params: Params) -> None:
    show_predictions.main(params)
    answers = read_json(predicted / "plots/final/answers.json")
    assert (answers["height"], answers["width"]) == (26, 64)
    sheet = np.asarray(Image.open(predicted / "plots/final/answers.png").convert("RGB")).astype(int)
    assert sheet.shape == (26 * answers["rows"], 64 * answers["columns"], 3)
    first = np.load(paths.images(paths.SPLIT, "test"))[answers["gallery"][0]["number"]]
    np.testing.assert_allclose(sheet[:26, :64].mean((0, 1)), first.mean((1, 2)), atol=6)


def test_figures_without_unlabelled_images_are_written(predicted: Path, params: Params) -> None:
    show_predictions.main(params)
    for name in ("unlabelled.png", "by_class.png"):
        picture = np.asarray(Image.open(predicted / "plots/final" / name).convert("L"))
        assert picture.shape[0] < 100, "only a sentence"
        assert picture.min() < 100
