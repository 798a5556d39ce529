"""Figures have the same bytes each time, and are legible for any data."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fashion.images.parts import Part
from fashion.results.figures import data, groups, predictions, systems
from fashion.results.figures.image_grid import shrink
from fashion.results.figures.style import label_curves, legible_classes, legible_names, new_figure, save, write_png
from fashion.results.gallery import COLUMNS, MAX_BYTES, build_gallery, most_confused_classes, sprite_sheet
from fashion.results.metrics import apply_temperature, calibration, confusion_matrix
from small import colour_tiles
from stages.figures.show_data import labels_by_fold

HISTORY = [
    {"phase": phase, "epoch": str(epoch), "best": "True", **dict.fromkeys(("train_loss", "val_loss"), str(1 / epoch)),
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
ROBUSTNESS = [{"change": "none", "amount": "", "accuracy": 0.9, "images": 2000}]
FAMILIES = {"base": "mlp", "wide": "mlp", "alone": "cnn", "final": "cnn"}
UNUSUAL_NAMES = ["$x^2", "👟", "</text><script>", "long " * 40, "a&b", "<", "'\"", "\\n", "{x}", "כובע"]


@pytest.fixture(autouse=True)
def fonts() -> Iterator[None]:
    """Undo changes of the fonts."""
    with mpl.rc_context():
        yield


def make_log_probabilities(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Make random log-probabilities that are often largest for the label."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 2
    return (scores - np.log(np.exp(scores).sum(1, keepdims=True))).astype(np.float32)


def all_figures(images: NDArray[np.uint8], labels: NDArray[np.uint8], classes: list[str]) -> dict[str, object]:
    log_probabilities = make_log_probabilities(labels, len(classes))
    names, files = legible_names(classes, "class"), [f"test/a b/{index}.png" for index in range(len(labels))]
    curve = (np.array([0, 0.1, 1]), np.array([0, 0.9, 1]))
    per_class = {
        name: {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 40, "roc_auc": None} for name in classes
    }
    return {
        "samples.png": data.draw_samples(images, labels, names),
        "split.svg": data.draw_split({"train": 300, "unlabelled": 100}, {"train": 300}),
        "pixels.svg": data.draw_pixels(images),
        "classes.svg": data.draw_classes({"train": labels, "test": labels}, classes),
        "class_samples.png": data.draw_class_samples(images, labels, names),
        "augmentation.png": data.draw_augmentation(images[:32], 2),
        "system.svg": systems.draw_system("base", HISTORY, [LAYER] * 3),
        "losses.svg": groups.draw_losses(TABLE, FAMILIES, dict.fromkeys(TABLE, HISTORY)),
        "accuracies.svg": groups.draw_accuracies(TABLE, FAMILIES),
        "systems.svg": groups.draw_test_accuracies(TABLE, FAMILIES, "final"),
        "parameters.svg": groups.draw_parameters(TABLE, FAMILIES, "final"),
        "report.svg": predictions.draw_classification_report(per_class, {"macro mean": {"f1": 0.85}}),
        "confusion.svg": predictions.draw_confusion(labels, log_probabilities.argmax(1), classes, "Test"),
        "roc.svg": predictions.draw_roc(dict.fromkeys(classes, curve), dict.fromkeys(classes, 0.9)),
        "predictions.png": predictions.draw_predictions(images, labels, log_probabilities, names),
        "mistakes.png": predictions.draw_mistakes(images, labels, log_probabilities, names, files),
        "unlabelled.png": predictions.draw_unlabelled(images, labels, names),
        "by_class.png": predictions.draw_by_class(images, labels, names),
        "calibration.svg": predictions.draw_calibration(
            calibration(labels, apply_temperature(log_probabilities, 1 / 0.6), log_probabilities, [0.6])
        ),
        "robustness.svg": predictions.draw_robustness(ROBUSTNESS),
    }


def write_all(folder: Path, *arguments: object) -> dict[str, bytes]:
    figures = all_figures(*arguments)  # type: ignore[arg-type]
    for name, figure in figures.items():
        save(figure, folder / name)  # type: ignore[arg-type]
    return {name: (folder / name).read_bytes() for name in figures}


@pytest.mark.parametrize(
    "classes", [UNUSUAL_NAMES, [f"class {number}" for number in range(300)]], ids=["unusual", "many"]
)
def test_figures_are_small_and_the_same_in_each_run_for_any_classes(
    classes: list[str], images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    first = write_all(tmp_path / "first", images, labels, classes)
    assert first == write_all(tmp_path / "second", images, labels, classes)
    assert {name: len(content) for name, content in first.items() if len(content) > 200_000} == {}


@pytest.mark.parametrize(("height", "width"), [(32, 96), (200, 150)])
def test_figures_of_colour_images_of_any_shape_are_small(height: int, width: int, tmp_path: Path) -> None:
    images, labels = colour_tiles(height, width)
    images, labels = np.resize(images, (32, *images.shape[1:])), np.resize(labels, 32)
    sizes = {name: len(content) for name, content in write_all(tmp_path, images, labels, ["temple", "flower"]).items()}
    assert {name: size for name, size in sizes.items() if size > 250_000} == {}


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 90), (120,)])
def test_images_are_drawn_as_they_are(colour: tuple[int, ...], tmp_path: Path) -> None:
    """Dark ones are not inverted, and red stays red."""
    images = np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (8, len(colour), 28, 28))
    save(predictions.draw_unlabelled(images, np.zeros(8, int), ["a"]), tmp_path / "unlabelled.png")
    drawn = np.asarray(Image.open(tmp_path / "unlabelled.png").convert("RGB"))
    np.testing.assert_allclose(drawn[60, 60], np.broadcast_to(colour, 3), atol=3)


@pytest.mark.parametrize("draw", [predictions.draw_unlabelled, predictions.draw_by_class])
def test_without_unlabelled_images_the_figure_says_so(draw: Callable[..., Figure], tmp_path: Path) -> None:
    save(draw(np.zeros((0, 3, 32, 32), np.uint8), np.zeros(0, int), ["a", "b"]), tmp_path / "unlabelled.svg")
    assert "There are no unlabelled images" in (tmp_path / "unlabelled.svg").read_text()


def test_a_mistake_has_the_end_of_its_file_below_it(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    log_probabilities = make_log_probabilities(labels, 10)
    files = [f"photograph_of_2024_{index}.jpg" for index in range(len(labels))]
    names = [*"abcdefghij"]
    save(predictions.draw_mistakes(images, labels, log_probabilities, names, files), tmp_path / "mistakes.svg")
    first = build_gallery(labels, log_probabilities, 10, images[0].size)[1][0]
    assert f"…{files[first][-14:]}</text>" in (tmp_path / "mistakes.svg").read_text()


def test_names_that_no_font_can_draw_are_numbered_in_png_files_and_this_is_said_once(
    capsys: pytest.CaptureFixture[str], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Private characters, which no font has, stand for a script without an installed font."""
    classes = ["cat", "\U0010f000\U0010f001", "כובע", "\U0010f002"]
    names = legible_classes(classes)
    assert names == ["cat", "class 1", "כובע", "class 3"]
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "class 1 is \U0010f000\U0010f001, class 3 is \U0010f002; install a font" in said
    pictures = []
    for label in (1, 3):
        save(predictions.draw_unlabelled(images[:1], np.array([label]), names), tmp_path / "unlabelled.png")
        pictures.append((tmp_path / "unlabelled.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_an_installed_font_draws_what_the_usual_one_lacks(images: NDArray[np.uint8], tmp_path: Path) -> None:
    """STIX comes with matplotlib and has bold mathematical letters, which DejaVu Sans lacks."""
    names = legible_names(["𝐀", "𝐁"], "class")
    assert names == ["𝐀", "𝐁"]
    assert mpl.rcParams["font.family"][0] == "DejaVu Sans"
    save(data.draw_samples(images[:4], np.array([0, 1, 0, 1]), names), tmp_path / "samples.png")  # warnings are errors


def test_usual_names_leave_the_fonts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(mpl.rcParams["font.family"])
    assert legible_classes(["T-shirt/top", "größer"]) == ["T-shirt/top", "größer"]
    assert mpl.rcParams["font.family"] == before
    assert capsys.readouterr().out == ""


def test_images_are_shrunk_to_a_side_and_keep_their_shape() -> None:
    images, _ = colour_tiles(60, 120)
    assert shrink(images, 64).shape[1:] == (3, 32, 64)
    assert shrink(images, 120) is images
    np.testing.assert_allclose(shrink(images, 60)[0, :, 0, 0], images[0, :, :2, :2].mean((1, 2)), atol=1)


def test_class_names_in_a_figure_are_text_and_no_markup(labels: NDArray[np.uint8], tmp_path: Path) -> None:
    save(data.draw_classes({"train": labels}, UNUSUAL_NAMES), tmp_path / "classes.svg")
    svg = (tmp_path / "classes.svg").read_text(encoding="utf-8")
    assert "<script" not in svg
    assert ">👟</text>" in svg
    assert ">$x^2</text>" in svg


def test_two_classes_and_a_model_without_mistakes_can_be_drawn(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    two = (labels % 2).astype(np.uint8)
    log_probabilities = np.log(np.eye(2, dtype=np.float32)[two] * 0.98 + 0.01)
    figure = predictions.draw_mistakes(images, two, log_probabilities, ["even", "odd"], [""] * len(images))
    save(figure, tmp_path / "mistakes.svg")
    save(
        predictions.draw_confusion(two, log_probabilities.argmax(1), ["even", "odd"], "Test"),
        tmp_path / "confusion.svg",
    )
    assert "There are no mistakes on 400 test images" in (tmp_path / "mistakes.svg").read_text()
    assert (tmp_path / "confusion.svg").read_text().count(">200</text>") == 2


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_calibration_is_drawn_after_the_temperature_only_if_there_is_one(
    temperature: float, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    log_probabilities = make_log_probabilities(labels, 10)
    before = apply_temperature(log_probabilities, 1 / temperature)
    metrics = calibration(labels, before, log_probabilities, [temperature])
    save(predictions.draw_calibration(metrics), tmp_path / "calibration.svg")
    svg = (tmp_path / "calibration.svg").read_text()
    assert "As the network gives it" in svg
    assert ("At temperature" in svg) == (temperature != 1)


def test_several_temperatures_are_drawn_as_they_were_measured(tmp_path: Path) -> None:
    """The bins are those of the scores: they cannot be computed from the other ones if members differ."""
    bins = [{"confidence": 0.7, "accuracy": 0.5, "images": 30}, {"confidence": 0.9, "accuracy": 1.0, "images": 10}]
    scores = {"expected_calibration_error": 0.1, "bins": bins}
    metrics = {"temperatures": [1.0, 0.6, 0.8], "before": scores, "after": {**scores, "bins": bins[:1]}}
    figure = predictions.draw_calibration(metrics)
    drawn = [np.asarray(axes.collections[-1].get_offsets()).tolist() for axes in figure.axes]
    assert drawn == [[[0.7, 0.5], [0.9, 1.0]], [[0.7, 0.5]]]
    assert figure.axes[1].get_title("left") == "At temperatures from 0.60 to 1.00: error 0.100"
    save(figure, tmp_path / "calibration.svg")
    title = figure.axes[1]._left_title  # type: ignore[attr-defined]
    assert title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("tested_in_folds", [True, False])
@pytest.mark.parametrize("folds", [2, 5, 6, 10, 50])
def test_the_numbers_of_many_folds_stay_apart_and_inside_the_figure(
    folds: int, tested_in_folds: bool, tmp_path: Path
) -> None:
    fold = np.arange(60_000) % folds
    held_out = Part.TEST if tested_in_folds else Part.VALIDATION
    parts = np.where(fold == np.arange(folds)[:, None], held_out, Part.TRAIN).astype(np.uint8)
    labels = np.arange(60_000) // 7 % 4
    by_part = labels_by_fold(parts, labels) | ({} if tested_in_folds else {"test": labels[:9000]})
    assert sum(map(len, by_part.values())) == 60_000 + 9000 * (not tested_in_folds)
    counts = {part: len(part_labels) for part, part_labels in by_part.items()}
    drawn = {
        "classes.svg": data.draw_classes(by_part, ["a class with a very long name", "b", "c", "d"]),
        "split.svg": data.draw_split({**counts, "unlabelled": 0}, counts),
    }
    for name, figure in drawn.items():
        save(figure, tmp_path / name)  # warnings are errors
        figure.draw_without_rendering()  # at the resolution that the extents have
        legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
        texts = [text for axes in figure.axes for text in axes.texts]
        texts += [text for legend in legends for text in legend.get_texts()]
        boxes = [text.get_window_extent() for text in texts]
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
        assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        assert figure.get_figheight() < 6


def test_a_sweep_is_systems_that_differ_in_a_single_number() -> None:
    settings = {f"kernel_{k}": {"kernels": [5, k], "family": "cnn"} for k in (3, 5, 7)}
    settings |= {"other": {"kernels": [3, 9], "family": "cnn"}, "deep": {"kernels": [5, 3, 3], "family": "cnn"}}
    assert groups.find_sweeps(settings) == [("kernels[1]", [(3.0, "kernel_3"), (5.0, "kernel_5"), (7.0, "kernel_7")])]


def test_labels_of_curves_do_not_overlap() -> None:
    axes = new_figure(3).subplots()
    axes.set_ylim(0, 1)
    label_curves(axes, {str(number): (1.0, 0.5, "#000000") for number in range(8)})
    positions = sorted(text.xyann[1] for text in axes.texts)
    assert min(np.diff(positions)) > 0.05
    assert positions[-1] <= 1


def test_default_settings_of_a_layer_are_left_out() -> None:
    assert systems.without_defaults("32, 64, kernel_size=(3, 3), stride=(1, 1)") == "32, 64, kernel_size=(3, 3)"
    assert systems.without_defaults("128, eps=1e-05, momentum=0.1, affine=True") == "128"
    assert systems.without_defaults("inplace=True") == ""


def test_the_gallery_has_the_mistakes_by_confidence_first_and_images_of_each_pair_of_classes(
    images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    log_probabilities = make_log_probabilities(labels, 10)
    gallery, chosen = build_gallery(labels, log_probabilities, 10, images[0].size)
    predicted = log_probabilities.argmax(1)
    assert gallery["mistakes"] == int((predicted != labels).sum())
    confidence = [image["confidence"] for image in gallery["gallery"]]
    assert confidence == sorted(confidence, reverse=True)
    assert [image["number"] for image in gallery["gallery"]] == chosen[: len(confidence)].tolist()
    for pair, cell in gallery["cells"].items():
        pair_of_images = [(labels[index], predicted[index]) for index in chosen[[position for position, _ in cell]]]
        assert set(pair_of_images) == {tuple(map(int, pair.split()))}
        assert [probability for _, probability in cell] == sorted((p for _, p in cell), reverse=True)
    sheet = sprite_sheet(images[chosen])
    height, width = images.shape[2:]
    position = gallery["cells"]["0 0"][-1][0]
    row, column = divmod(position, COLUMNS)
    shown = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width].astype(int)
    assert np.abs(shown - images[chosen[position], 0]).max() <= 255 / 15 / 2 + 1


def test_a_confusion_matrix_has_a_row_for_each_actual_class() -> None:
    labels, predicted = np.array([0, 0, 0, 2, 2], np.uint8), np.array([0, 1, 1, 2, 0])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 1]]


def test_a_sprite_sheet_has_a_maximum_size(labels: NDArray[np.uint8]) -> None:
    _, chosen = build_gallery(labels, make_log_probabilities(labels, 10), 10, MAX_BYTES // 70)
    assert len(chosen) == 70


def test_a_sprite_sheet_has_sixteen_grey_levels_or_colours(images: NDArray[np.uint8], tmp_path: Path) -> None:
    sheet = sprite_sheet(images[:40])
    assert sheet.shape == (2 * images.shape[2], COLUMNS * images.shape[3])
    assert len(np.unique(sheet)) <= 16
    tiles, _ = colour_tiles(32, 64)
    sheet = sprite_sheet(tiles[:40])
    assert sheet.shape == (2 * 32, COLUMNS * 64, 3)
    np.testing.assert_array_equal(sheet[32:, 64:128], np.moveaxis(tiles[COLUMNS + 1], 0, -1))
    write_png(tmp_path / "sheet.png", sheet)
    stored = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    assert np.abs(stored - sheet).mean() < 6
    assert (tmp_path / "sheet.png").stat().st_size < 200_000


def test_of_many_classes_those_with_the_most_errors_are_shown() -> None:
    counts = np.eye(40, dtype=int) * 100
    counts[np.arange(5, 35), np.arange(6, 36)] = np.arange(30) + 1
    counts[2, 39] = counts[39, 2] = 50
    shown = most_confused_classes(counts).tolist()
    assert len(shown) == 30
    assert shown == sorted(shown)
    assert {2, 39} <= set(shown), "errors count for the actual and for the predicted class"
    assert not {0, 1, 5} & set(shown)


def test_axes_have_labels(tmp_path: Path) -> None:
    save(groups.draw_test_accuracies(TABLE, FAMILIES, "final"), tmp_path / "systems.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "systems.svg").read_text(encoding="utf-8"))
    assert any("test accuracy" in text for text in texts)
    assert {"mlp", "cnn", "base", "wide"} <= set(texts)


def test_the_classification_report_has_counts_and_metrics_with_four_digits(tmp_path: Path) -> None:
    row = {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 1000, "roc_auc": None}
    save(predictions.draw_classification_report({"Bag": row}, {"macro mean": {"f1": 0.75}}), tmp_path / "report.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "report.svg").read_text(encoding="utf-8"))
    assert {"Bag", "0.9000", "0.8000", "0.8500", "1,000", "undefined", "macro mean", "0.7500"} <= set(texts)


def test_the_final_system_and_those_better_than_all_smaller_ones_are_named(tmp_path: Path) -> None:
    sizes = {"small": (10, 0.8), "worse": (20, 0.7), "good": (30, 0.9), "as_large": (30, 0.85), "final": (40, 0.88)}
    table = {
        name: {"parameters": size, "test_accuracy": accuracy, "test_interval": [0.6, 1]}
        for name, (size, accuracy) in sizes.items()
    }
    save(groups.draw_parameters(table, dict.fromkeys(sizes, "mlp"), "final"), tmp_path / "costs.svg")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "costs.svg").read_text(encoding="utf-8"))
    assert set(texts) & set(sizes) == {"small", "good", "final"}


@pytest.mark.parametrize("mistakes", [0, 1])
def test_the_caption_of_a_mistake_has_another_colour(
    mistakes: int, images: NDArray[np.uint8], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    predicted = labels.copy()
    index = np.random.default_rng(0).permutation(len(images))[0]  # the first that is shown
    predicted[index] = (labels[index] + mistakes) % 10
    log_probabilities = np.log(np.eye(10, dtype=np.float32)[predicted] * 0.9 + 0.01)
    names = [f"class {number}" for number in range(10)]
    save(predictions.draw_predictions(images, labels, log_probabilities, names), tmp_path / "predictions.png")
    figure = Image.open(tmp_path / "predictions.png").convert("RGB")
    red, _, blue = np.moveaxis(np.asarray(figure).astype(int), -1, 0)
    assert (red - blue > 40).any() == bool(mistakes), "orange letters"
