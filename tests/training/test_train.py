import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from fashion.networks.building.factory import InitFromData, build_network
from fashion.training.train import LabelledImages, TrainingData, factors, train_classifier, whole_frame
from small import colour_tiles, fit, make_settings, make_system

AUTO = {"size": "auto", "scaling": "standard"}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns_from_real_images(data: TrainingData, precision: str) -> None:
    _, history = fit(data, make_system(), make_settings(precision=precision, max_epochs=8))
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert max(row["val_accuracy"] for row in history) > 0.5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_settings_give_the_same_bits(data: TrainingData, precision: str, threads: int) -> None:
    settings = make_settings(precision=precision, threads=threads)
    (first, first_rows), (second, second_rows) = (fit(data, make_system(), settings) for _ in range(2))
    assert first_rows == second_rows
    assert all(torch.equal(first[key], second[key]) for key in first)


def uneven(data: TrainingData) -> TrainingData:
    """Keep all T-shirts (0) and shirts (6) but only a tenth of the shirts for training, and both alone."""
    kept = np.isin(data.train.labels, (0, 6))
    kept[np.flatnonzero(data.train.labels == 6)[3:]] = False
    assert data.validation
    validated = np.isin(data.validation.labels, (0, 6))
    return dataclasses.replace(
        data,
        train=LabelledImages(data.train.images[kept], data.train.labels[kept]),
        validation=LabelledImages(data.validation.images[validated], data.validation.labels[validated]),
    )


def test_balanced_weights_name_a_rare_class_more_often(data: TrainingData) -> None:
    few, named = uneven(data), {}
    for weights in ("none", "balanced", {"6": 20.0}):
        settings = make_settings(class_weights=weights, choose_by="loss", max_epochs=6)
        classifier, _ = train_classifier(make_system(), settings, few)
        named[str(weights)] = np.mean(classifier.predict(few.validation.images, torch.device("cpu")).labels == 6)
    assert named["balanced"] > named["none"]
    assert named["{'6': 20.0}"] > named["none"]


def test_factors_of_classes_have_a_mean_of_1_over_the_training_images(data: TrainingData) -> None:
    few, device = uneven(data), torch.device("cpu")
    counts = np.bincount(few.train.labels, minlength=10)
    balanced = factors("balanced", few, device)
    assert balanced is not None
    assert balanced[0] * counts[0] == pytest.approx(balanced[6] * counts[6])
    for weights in (balanced, factors({"6": 3.0}, few, device)):
        assert weights is not None
        assert (weights.numpy() * counts).sum() == pytest.approx(counts.sum())
    assert factors("none", few, device) is None


def test_another_seed_gives_other_weights(data: TrainingData) -> None:
    first, second = (fit(data, make_system(), make_settings(seed=seed))[0] for seed in (0, 1))
    assert not torch.equal(first["0.weight"], second["0.weight"])


def test_the_model_has_the_weights_of_its_best_epoch(data: TrainingData) -> None:
    unsteady = make_system(phases={"sgd": {"optimizer": "sgd", "lr": 0.5, "momentum": 0.9, "max_epochs": 8}})
    classifier, history = train_classifier(unsteady, make_settings(), data)
    best = max(row["val_accuracy"] for row in history)
    predicted = classifier.predict(data.validation.images, torch.device("cpu")).log_probabilities.argmax(1).numpy()
    assert np.mean(predicted == data.validation.labels) == pytest.approx(best)


def test_a_diverging_training_is_refused_with_its_learning_rate(data: TrainingData) -> None:
    phases = {"sgd": {"optimizer": "sgd", "lr": 1e30, "max_epochs": 2}}
    with pytest.raises(ValueError, match=r"phases.sgd.lr: with 1e\+30 the loss is not finite; take a lower rate"):
        fit(data, make_system(phases=phases), make_settings())


def test_max_epochs_of_the_settings_replaces_that_of_every_phase(data: TrainingData) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 9}
    _, history = fit(data, make_system(phases={"a": phase, "b": phase}), make_settings(max_epochs=1))
    assert [row["phase"] for row in history] == ["a", "b"]


def test_all_settings_of_a_phase_together_give_the_same_bits(data: TrainingData) -> None:
    phase = {
        **{"optimizer": "sgd", "lr": 0.05, "schedule": "triangle", "momentum": 0.9, "nesterov": True, "max_epochs": 8},
        **{"bias_lr_multiplier": 4, "weight_decay": 1e-3, "label_smoothing": 0.1, "lookahead_every": 3},
        "augmentation": {"shift": 2, "flip": True, "cutout": 6},
        "sample_pruning": {"easy_share": 0.8, "drop_rate": 0.5, "unpruned_tail": 0.125},
    }
    system = make_system(phases={"a": phase})
    (first, first_rows), (second, second_rows) = (fit(data, system, make_settings()) for _ in range(2))
    assert first_rows == second_rows
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first_rows[-1]["val_loss"] < first_rows[0]["val_loss"]


ALL_SETTINGS = {
    **{"optimizer": "sgd", "lr": 0.05, "schedule": "triangle", "momentum": 0.9, "max_epochs": 3},
    **{"bias_lr_multiplier": 4, "weight_decay": 1e-3, "label_smoothing": 0.1, "lookahead_every": 3},
    "augmentation": {"shift": 2, "flip": True, "cutout": 6},
    "sample_pruning": {"easy_share": 0.8, "drop_rate": 0.5, "unpruned_tail": 0.125},
}
REPLACEMENTS = {"optimizer": "adam", "nesterov": True}  # of settings that cannot be left out, or are off by default


@pytest.mark.parametrize("key", [*sorted({*ALL_SETTINGS} - {"lr", "max_epochs"}), "nesterov"])
def test_each_setting_of_a_phase_changes_the_weights(key: str, data: TrainingData) -> None:
    changed = {name: value for name, value in ALL_SETTINGS.items() if name != key}
    changed |= {key: REPLACEMENTS[key]} if key in REPLACEMENTS else {}
    (first, _), (second, _) = (
        fit(data, make_system(phases={"a": phase}), make_settings()) for phase in (ALL_SETTINGS, changed)
    )
    assert not torch.equal(first["0.weight"], second["0.weight"])


def test_weight_decay_of_adam_makes_weights_smaller(data: TrainingData) -> None:
    adam = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    (plain, _), (decayed, _) = (
        fit(data, make_system(phases={"adam": phase}), make_settings())
        for phase in (adam, {**adam, "weight_decay": 0.1})
    )
    assert decayed["0.weight"].norm() < plain["0.weight"].norm()


def test_a_network_that_is_initialised_from_data_gets_the_training_images(data: TrainingData) -> None:
    system = make_system(family="whitened_cnn", arguments={"channels": [8]}, input={"size": 28, "scaling": "standard"})
    classifier, _ = train_classifier(system, make_settings(max_epochs=1), data)
    model = classifier.model
    assert isinstance(model, torch.nn.Sequential)
    model.cpu()
    whitened = model[0](classifier.preparation(torch.tensor(data.train.images)))[:, :4].transpose(0, 1).flatten(1)
    variances = (whitened @ whitened.T / whitened.shape[1]).diagonal()
    assert variances.tolist() == pytest.approx([1] * 4, abs=0.05)


def test_only_some_images_initialise_a_network_and_they_are_of_all_classes(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_class = np.argsort(data.train.labels, kind="stable")
    ordered = LabelledImages(data.train.images[by_class], data.train.labels[by_class])
    monkeypatch.setattr("fashion.training.train.INIT_PIXELS", ordered.images[::4].size)
    system = make_system(family="whitened_cnn", arguments={"channels": [8]})
    weights, _ = fit(dataclasses.replace(data, train=ordered), system, make_settings(max_epochs=1))
    network = build_network("whitened_cnn", {"channels": [8]}, image_shape=(1, 28, 28), num_classes=10)
    assert isinstance(network, InitFromData)
    network.init_from_data(torch.tensor(ordered.images[::4]) / 255)
    torch.testing.assert_close(weights["0.weight"].cpu(), network.state_dict()["0.weight"])


def test_small_images_in_a_wide_margin_fill_an_input_of_size_auto(data: TrainingData) -> None:
    system = make_system(family="mlp", arguments={"hidden": []}, input={"size": "auto", "scaling": "unit"})
    frame = whole_frame(data.train.images).model_copy(update={"content_height": 8, "content_width": 10})
    classifier, _ = train_classifier(system, make_settings(max_epochs=1), dataclasses.replace(data, frame=frame))
    assert (classifier.preparation.size, classifier.preparation.content_size) == ([24, 30], [8, 10])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40), (64, 48)])
@pytest.mark.parametrize("family", ["cnn", "whitened_cnn"])
def test_training_learns_from_colour_images_of_any_proportions(family: str, height: int, width: int) -> None:
    """Tell tiles of a photograph of a temple from those of a flower."""
    images, labels = colour_tiles(height, width)
    is_train = np.arange(len(images)) % 10 < 8
    data = TrainingData(
        LabelledImages(images[is_train], labels[is_train]),
        LabelledImages(images[~is_train], labels[~is_train]),
        ["temple", "flower"],
    )
    arguments = {"channels": [8, 8]} if family == "whitened_cnn" else {"channels": [8], "kernels": [3], "hidden": [16]}
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 4, "augmentation": {"shift": 1, "cutout": 3}}
    system = make_system(family=family, arguments=arguments, input=AUTO, phases={"adam": phase})
    classifier, history = train_classifier(system, make_settings(), data)
    assert max(row["val_accuracy"] for row in history) > 0.85
    assert classifier.frame == whole_frame(images)
    assert classifier.preparation.mean == pytest.approx(data.train.images.mean((0, 2, 3)).tolist())


def test_colour_helps_where_classes_differ_by_colour_alone() -> None:
    """Tell red from blue light on the same tiles, of equal brightness."""
    grey = colour_tiles(20, 20)[0].mean(1).astype(np.uint8)[:300]
    colours = np.zeros((300, 3, 20, 20), np.uint8)
    labels = (np.arange(300) // 2 % 2).astype(np.uint8)
    colours[labels == 0, 0], colours[labels == 1, 2] = grey[labels == 0], grey[labels == 1]
    accuracies = []
    for images in (colours, colours.sum(1, keepdims=True, dtype=np.uint8)):
        part = [LabelledImages(images[start::2], labels[start::2]) for start in range(2)]
        _, history = fit(TrainingData(*part, ["red", "blue"]), make_system(input=AUTO), make_settings(max_epochs=4))
        accuracies.append(max(row["val_accuracy"] for row in history))
    assert accuracies[0] > 0.95
    assert accuracies[1] < 0.75


def test_what_augmentation_fills_is_the_background_of_the_frame(data: TrainingData) -> None:
    light = whole_frame(data.train.images).model_copy(update={"background": [255]})
    phases = {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 1, "augmentation": {"shift": 4}}}
    (on_black, _), (on_white, _), (again, _) = (
        fit(dataclasses.replace(data, frame=frame), make_system(phases=phases), make_settings())
        for frame in (None, light, light)
    )
    assert not torch.equal(on_black["0.weight"], on_white["0.weight"])
    assert torch.equal(again["0.weight"], on_white["0.weight"])


def test_confidence_is_calibrated_on_the_calibration_images_if_there_are_some(data: TrainingData) -> None:
    flipped = LabelledImages(np.ascontiguousarray(data.validation.images[:, :, ::-1]), data.validation.labels)
    calibrations = []
    for calibration in (None, data.validation, flipped):
        changed = dataclasses.replace(data, calibration=calibration)
        classifier, _ = train_classifier(make_system(), make_settings(), changed)
        calibrations.append((classifier.temperature, classifier.threshold))
    assert calibrations[0] == calibrations[1]
    assert calibrations[0] != calibrations[2]


def test_one_training_image_is_refused(data: TrainingData) -> None:
    single = LabelledImages(data.train.images[:1], data.train.labels[:1])
    with pytest.raises(ValueError, match="at least 2 training images are needed, not 1"):
        fit(dataclasses.replace(data, train=single), make_system(), make_settings())


def test_images_that_no_network_input_fits_are_refused_in_one_line() -> None:
    tiles, labels = colour_tiles(8, 600)
    part = LabelledImages(tiles, labels)
    with pytest.raises(ValueError, match=r"^images of 8x600 pixels would be enlarged to 20x1500; give both sides .*$"):
        fit(TrainingData(part, part, ["temple", "flower"]), make_system(input=AUTO), make_settings())


@pytest.mark.parametrize("head", ["linear", "neighbours"])
def test_a_head_on_features_predicts_images_as_it_predicts_their_features(head: str, data: TrainingData) -> None:
    """The features are of a network with random weights, which the whole network then has, too."""
    phases = {"head": {"optimizer": "adamw", "lr": 0.01, "max_epochs": 20}} if head == "linear" else {}
    system = make_system(
        family="timm", arguments={"network": "resnet10t", "head": head}, image_folder="embedded/backbone", phases=phases
    )
    settings, frame = make_settings(), whole_frame(data.train.images)
    torch.manual_seed(np.random.SeedSequence(0).generate_state(3)[0])  # as the training does
    network: Any = build_network("timm", system.arguments, image_shape=(1, 28, 28), num_classes=10)
    with torch.inference_mode():
        features = [
            LabelledImages(network.eval().features(torch.tensor(part.images) / 255).numpy(), part.labels)
            for part in (data.train, data.validation)
            if part
        ]
    classifier, history = train_classifier(system, settings, TrainingData(*features, data.classes, frame))
    assert data.validation
    from_images = classifier.logits(data.validation.images, torch.device("cpu"))
    from_features = classifier.logits(features[1].images, torch.device("cpu"))
    torch.testing.assert_close(from_images, from_features, atol=1e-3, rtol=1e-3)
    accuracy = (from_images.argmax(1).numpy() == data.validation.labels).mean()
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy) or history[0]["best"]
    assert accuracy > 0.3


def test_neighbours_without_features_are_refused(data: TrainingData) -> None:
    system = make_system(family="timm", arguments={"network": "resnet10t", "head": "neighbours"}, phases={})
    with pytest.raises(ValueError, match="nearest neighbours need features of the images"):
        train_classifier(system, make_settings(), data)
