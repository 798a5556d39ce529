"""The pictures: the same bytes each time, and legible whatever the data."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fashion.results.answers import COLUMNS, PIXELS, confused_most, gather, sheet_of
from fashion.results.figures import data, groups, predictions, systems
from fashion.results.figures.style import label_ends, new_figure, save
from fashion.results.look import is_dark
from fashion.results.scores import calibration, confusion_matrix

HISTORY = [
    {"phase": phase, "epoch": str(epoch), **dict.fromkeys(("train_loss", "val_loss"), str(1 / epoch)),
     **dict.fromkeys(("train_accuracy", "val_accuracy"), str(1 - 1 / (epoch + 1)))}
    for epoch, phase in enumerate(("main", "main", "finetune"), start=1)
]  # fmt: skip
LAYER = {
    "layer": "Conv2d",
    "settings": "1, 32, kernel_size=(3, 3), stride=(1, 1)",
    "shape": [32, 26, 26],
    "parameters": 320,
}
ROW = {
    "baseline": None, "reported": 0.85, "parameters": 1000, "val_accuracy": 0.91, "test_accuracy": 0.9,
    "test_interval": [0.88, 0.92],
}  # fmt: skip
TABLE = {"base": ROW, "wide": {**ROW, "baseline": "base"}, "alone": {**ROW, "reported": None}, "final": ROW}
FAMILIES = {"base": "mlp", "wide": "mlp", "alone": "cnn", "final": "cnn"}
STRANGE = ["$x^2", "👟", "</text><script>", "long " * 40, "a&b", "<", "'\"", "\\n", "{x}", "כובע"]


def answers(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Make log-probabilities that are often right, and never of no class at all."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 2
    return (scores - np.log(np.exp(scores).sum(1, keepdims=True))).astype(np.float32)


def all_pictures(images: NDArray[np.uint8], labels: NDArray[np.uint8], classes: list[str]) -> dict[str, object]:
    said = answers(labels, len(classes))
    curve = (np.array([0, 0.1, 1]), np.array([0, 0.9, 1]))
    per_class = {
        name: {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 40, "roc_auc": None} for name in classes
    }
    return {
        "samples.png": data.draw_samples(images, labels, classes),
        "split.svg": data.draw_split({"train": 300, "unlabelled": 100}, {"train": 300}),
        "pixels.svg": data.draw_pixels(images),
        "classes.svg": data.draw_classes({"train": labels, "test": labels}, classes),
        "class_samples.png": data.draw_class_samples(images, labels, classes),
        "augmentation.png": data.draw_augmentation(images[:32], 2),
        "system.svg": systems.draw_system("base", HISTORY, [LAYER] * 3),
        "losses.svg": groups.draw_losses(TABLE, FAMILIES, dict.fromkeys(TABLE, HISTORY)),
        "accuracies.svg": groups.draw_accuracies(TABLE, FAMILIES),
        "systems.svg": groups.draw_all(TABLE, FAMILIES, "final"),
        "parameters.svg": groups.draw_costs(TABLE, FAMILIES, "final"),
        "report.svg": predictions.draw_report(per_class, {"macro mean": {"f1": 0.85}}),
        "confusion.svg": predictions.draw_confusion(labels, said.argmax(1), classes, "Test"),
        "roc.svg": predictions.draw_roc(dict.fromkeys(classes, curve), dict.fromkeys(classes, 0.9)),
        "predictions.png": predictions.draw_predictions(images, labels, said, classes),
        "mistakes.png": predictions.draw_mistakes(images, labels, said, classes),
        "unlabelled.png": predictions.draw_unlabelled(images, labels, classes),
        "by_class.png": predictions.draw_by_class(images, labels, classes),
        "calibration.svg": predictions.draw_calibration(labels, said, calibration(labels, said, 0.6)),
        "robustness.svg": predictions.draw_robustness([{"change": "none", "amount": "", "accuracy": 0.9}]),
    }


def write_all(folder: Path, *arguments: object) -> dict[str, bytes]:
    pictures = all_pictures(*arguments)  # type: ignore[arg-type]
    for name, picture in pictures.items():
        save(picture, folder / name)  # type: ignore[arg-type]
    return {name: (folder / name).read_bytes() for name in pictures}


@pytest.mark.parametrize("classes", [STRANGE, [f"class {number}" for number in range(300)]], ids=["strange", "many"])
def test_pictures_are_small_and_the_same_from_run_to_run_whatever_the_classes(
    classes: list[str], images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    first = write_all(tmp_path / "first", images, labels, classes)
    assert first == write_all(tmp_path / "second", images, labels, classes)
    assert {name: len(content) for name, content in first.items() if len(content) > 200_000} == {}


def test_a_picture_has_class_names_as_text_and_nothing_else_of_them(labels: NDArray[np.uint8], tmp_path: Path) -> None:
    save(data.draw_classes({"train": labels}, STRANGE), tmp_path / "classes.svg")
    picture = (tmp_path / "classes.svg").read_text(encoding="utf-8")
    assert "<script" not in picture
    assert ">👟</text>" in picture
    assert ">$x^2</text>" in picture


def test_two_classes_and_a_model_without_mistakes_can_be_drawn(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    two = (labels % 2).astype(np.uint8)
    sure = np.log(np.eye(2, dtype=np.float32)[two] * 0.98 + 0.01)
    save(predictions.draw_mistakes(images, two, sure, ["even", "odd"]), tmp_path / "mistakes.png")
    save(predictions.draw_confusion(two, sure.argmax(1), ["even", "odd"], "Test"), tmp_path / "confusion.svg")
    assert "The surest of 0 mistakes" not in (tmp_path / "confusion.svg").read_text()


def test_images_on_black_are_shown_on_white(images: NDArray[np.uint8]) -> None:
    assert is_dark(images)
    assert not is_dark(255 - images)


def test_systems_that_differ_in_one_number_alone_are_found() -> None:
    settings = {f"kernel_{k}": {"kernels": [5, k], "family": "cnn"} for k in (3, 5, 7)}
    settings |= {"other": {"kernels": [3, 9], "family": "cnn"}, "deep": {"kernels": [5, 3, 3], "family": "cnn"}}
    assert groups.sweeps(settings) == [("kernels[1]", [(3.0, "kernel_3"), (5.0, "kernel_5"), (7.0, "kernel_7")])]


def test_names_at_the_ends_of_curves_do_not_touch() -> None:
    axes = new_figure(3).subplots()
    axes.set_ylim(0, 1)
    label_ends(axes, {str(number): (1.0, 0.5, "#000000") for number in range(8)})
    places = sorted(text.xyann[1] for text in axes.texts)
    assert min(np.diff(places)) > 0.05
    assert places[-1] <= 1


def test_what_is_usual_is_left_out_of_a_layers_settings() -> None:
    assert systems.plain("32, 64, kernel_size=(3, 3), stride=(1, 1)") == "32, 64, kernel_size=(3, 3)"
    assert systems.plain("128, eps=1e-05, momentum=0.1, affine=True") == "128"
    assert systems.plain("inplace=True") == ""


def test_the_report_is_given_the_surest_mistakes_first_and_images_of_each_pair(
    images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    said = answers(labels, 10)
    found, chosen = gather(labels, said, 1.0, 10, images[0].size)
    assert found["mistakes"] == int((said.argmax(1) != labels).sum())
    sure = [image["sure"] for image in found["gallery"]]
    assert sure == sorted(sure, reverse=True)
    assert [image["number"] for image in found["gallery"]] == chosen[: len(sure)].tolist()
    for pair, cell in found["cells"].items():
        actual, guess = map(int, pair.split())
        assert all(labels[chosen[place]] == actual and said[chosen[place]].argmax() == guess for place, _ in cell)
        assert [sure for _, sure in cell] == sorted((sure for _, sure in cell), reverse=True)
    sheet = sheet_of(images[chosen], inverted=False)
    height, width = images.shape[1:]
    place = found["cells"]["0 0"][-1][0]
    row, column = divmod(place, COLUMNS)
    shown = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width].astype(int)
    assert np.abs(shown - images[chosen[place]]).max() <= 255 / 15 / 2 + 1


def test_a_confusion_matrix_counts_actual_classes_down_and_predicted_ones_across() -> None:
    labels, said = np.array([0, 0, 0, 2, 2], np.uint8), np.array([0, 1, 1, 2, 0])
    assert confusion_matrix(labels, said, 3).tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 1]]


def test_a_sheet_holds_as_many_pixels_as_fit_into_200_kb(labels: NDArray[np.uint8]) -> None:
    _, chosen = gather(labels, answers(labels, 10), 1.0, 10, PIXELS // 70)
    assert len(chosen) == 70


def test_an_image_on_black_is_turned_white_in_the_sheet(images: NDArray[np.uint8]) -> None:
    plain, inverted = (sheet_of(images[:40], inverted=inverted) for inverted in (False, True))
    height, width = images.shape[1:]
    assert plain.shape == (2 * height, COLUMNS * width)
    assert np.abs(plain[:height].astype(int) + inverted[:height] - 255).max() <= 1
    assert len(np.unique(plain)) <= 16


def test_of_many_classes_those_are_shown_that_are_confused_most() -> None:
    counts = np.eye(40, dtype=int) * 100
    counts[np.arange(5, 35), np.arange(6, 36)] = np.arange(30) + 1
    counts[2, 39] = counts[39, 2] = 50
    shown = confused_most(counts).tolist()
    assert len(shown) == 30
    assert shown == sorted(shown)
    assert {2, 39} <= set(shown), "wrong in either way"
    assert not {0, 1, 5} & set(shown)


def test_axes_say_what_they_measure(tmp_path: Path) -> None:
    save(groups.draw_all(TABLE, FAMILIES, "final"), tmp_path / "systems.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "systems.svg").read_text(encoding="utf-8"))
    assert any("test accuracy" in text for text in texts)
    assert {"mlp", "cnn", "base", "wide"} <= set(texts)


def test_the_table_of_classes_counts_in_whole_images_and_gives_shares_in_four_digits(tmp_path: Path) -> None:
    row = {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 1000, "roc_auc": None}
    save(predictions.draw_report({"Bag": row}, {"macro mean": {"f1": 0.75}}), tmp_path / "report.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "report.svg").read_text(encoding="utf-8"))
    assert {"Bag", "0.9000", "0.8000", "0.8500", "1,000", "undefined", "macro mean", "0.7500"} <= set(texts)


def test_systems_that_no_smaller_one_equals_are_named_beside_the_final_one(tmp_path: Path) -> None:
    sizes = {"small": (10, 0.8), "worse": (20, 0.7), "good": (30, 0.9), "as_large": (30, 0.85), "final": (40, 0.88)}
    table = {
        name: {"parameters": size, "test_accuracy": accuracy, "test_interval": [0.6, 1]}
        for name, (size, accuracy) in sizes.items()
    }
    save(groups.draw_costs(table, dict.fromkeys(sizes, "mlp"), "final"), tmp_path / "costs.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "costs.svg").read_text(encoding="utf-8"))
    assert set(texts) & set(sizes) == {"small", "good", "final"}


@pytest.mark.parametrize("mistakes", [0, 1])
def test_the_caption_of_a_single_mistake_has_a_colour_of_its_own(
    mistakes: int, images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    said = labels.copy()
    one = np.random.default_rng(0).permutation(len(images))[0]  # the first that is shown
    said[one] = (labels[one] + mistakes) % 10
    sure = np.log(np.eye(10, dtype=np.float32)[said] * 0.9 + 0.01)
    names = [f"class {number}" for number in range(10)]
    save(predictions.draw_predictions(images, labels, sure, names), tmp_path / "predictions.png")
    picture = Image.open(tmp_path / "predictions.png").convert("RGB")
    red, _, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    assert (red - blue > 40).any() == bool(mistakes), "orange letters"
