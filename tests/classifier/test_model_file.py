import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from damaging import flip_a_bit
from fashion.classifier.classifier import Classifier
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import load, save
from fashion.classifier.prediction import predict_logits
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.networks.building import factory
from fashion.settings.fields import TestTimeAugmentation
from fashion.training.train import LabelledImages, TrainingData, train_classifier, whole_frame
from small import colour_tiles, make_settings, make_system


@pytest.fixture
def classifier() -> Classifier:
    arguments = {"channels": [4, 8], "kernels": [3, 3], "conv_norm": ["before", "after"], "hidden": [16]}
    torch.manual_seed(0)
    return Classifier(
        model=factory.build_network("cnn", arguments, image_shape=(1, 28, 28), num_classes=10),
        family="cnn",
        arguments=arguments,
        preparation=Preparation(size=[28, 28], mean=[72.9], std=[90.0]),
        frame=whole_frame(np.empty((1, 1, 28, 28), np.uint8)),
        classes=[f"class {number}" for number in range(10)],
        environment={"torch": "2", "precision": "fp32"},
    )


def test_a_saved_model_predicts_the_same_without_any_settings(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    save(Ensemble([classifier]), tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    cpu = torch.device("cpu")
    torch.testing.assert_close(
        loaded.predict(images, cpu).log_probabilities, classifier.predict(images, cpu).log_probabilities
    )
    assert loaded.classes == classifier.classes
    assert loaded.members[0].preparation == classifier.preparation
    assert loaded.num_parameters() == classifier.num_parameters()


@pytest.mark.parametrize("augmentation", ["none", "shift_and_flip"])
def test_a_saved_model_predicts_with_its_test_time_augmentation_and_background(
    augmentation: TestTimeAugmentation, classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    classifier.test_time_augmentation = augmentation
    classifier.frame = classifier.frame.model_copy(update={"background": [200]})
    save(Ensemble([classifier]), tmp_path / "model.safetensors")
    logits = predict_logits(
        classifier.model, classifier.preparation, torch.tensor(images), augmentation=augmentation, background=[200]
    )
    log_probabilities = load(tmp_path / "model.safetensors").predict(images, torch.device("cpu")).log_probabilities
    torch.testing.assert_close(log_probabilities, logits.log_softmax(1))


def test_a_saved_model_of_wide_colour_images_predicts_the_same(tmp_path: Path) -> None:
    tiles, labels = colour_tiles(20, 32)
    images = LabelledImages(tiles[:60], labels[:60])
    frame = whole_frame(tiles).model_copy(update={"background": [250, 200, 150], "levels": [0, 4095]})
    system = make_system(input={"size": "auto", "scaling": "standard"})
    data = TrainingData(images, images, ["temple", "flower"], frame)
    classifier, _ = train_classifier(system, make_settings(max_epochs=1), data, test_time_augmentation="shift")
    save(Ensemble([classifier]), tmp_path / "model.safetensors")
    loaded, cpu = load(tmp_path / "model.safetensors"), torch.device("cpu")
    assert loaded.frame == frame
    assert torch.equal(loaded.predict(tiles, cpu).log_probabilities, classifier.predict(tiles, cpu).log_probabilities)


def test_a_model_that_is_saved_again_has_the_same_bytes(classifier: Classifier, tmp_path: Path) -> None:
    save(Ensemble([classifier]), tmp_path / "first")
    save(load(tmp_path / "first"), tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("refit", [False, True])
def test_an_ensemble_is_saved_with_what_is_fitted_to_each_of_its_members(
    refit: bool, classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    members = [classifier]
    for number in range(2):
        other = copy.deepcopy(classifier)
        for weights in other.model.parameters():
            torch.nn.init.normal_(weights, std=0.1)
        preparation = Preparation(size=[28, 28], mean=[70.0 + number], std=[88.0])
        members.append(replace(other, preparation=preparation, temperature=2.0 + number, threshold=-1.0 - number))
    ensemble = Ensemble(members[:2], members[2]) if refit else Ensemble(members)
    save(ensemble, tmp_path / "model.safetensors")
    loaded, cpu = load(tmp_path / "model.safetensors"), torch.device("cpu")
    prediction, expected = (part.predict(images, cpu) for part in (loaded, ensemble))
    torch.testing.assert_close(prediction.log_probabilities, expected.log_probabilities)
    torch.testing.assert_close(prediction.margins, expected.margins)
    fitted = [[(part.temperature, part.preparation) for part in model.members] for model in (loaded, ensemble)]
    assert fitted[0] == fitted[1]


@pytest.mark.parametrize("content", [b"", b"no model", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_file_of_another_format_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a model of this project"):
        load(path)


def test_a_model_with_other_layers_than_its_family_builds_is_refused_with_the_way_out(
    classifier: Classifier, tmp_path: Path
) -> None:
    classifier.model.append(torch.nn.Linear(10, 10))
    save(Ensemble([classifier]), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="damaged, or made by another version .*; `make repro` makes it again"):
        load(tmp_path / "model.safetensors")


def change_description(path: Path, change: Callable[[dict], object]) -> None:
    """Change the description of the weights in a model file."""
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["fashion"])
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(description)
    save_file(weights, path, metadata={"fashion": json.dumps(description)})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda d: d["arguments"].update(hidden=[10_000_000, 10_000_000]),
            "the names of the weights do not fit the description",
        ),
        (
            lambda d: d["arguments"].update(channels=[4, 10_000_000]),
            "0.3.weight: its shape or dtype does not fit the description",
        ),
        (lambda d: d["arguments"].update(hidden=[1] * 100_000), "hidden: List should have at most 100 items"),
        (lambda d: d["arguments"].update(paddings=[2**32 - 1, 0]), "a network cannot be built"),
        (lambda d: d["arguments"].update(conv_norm=[]), "a network cannot be built: arguments.conv_norm: 0 entries"),
        (
            lambda d: d["members"][0]["preparation"].update(size=[28, 10**7]),
            "members.0.preparation.size.1: Input should be less than or equal to 1024",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(size=[28, 29]),
            "preparation needs more pixels than the frame has",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(size=[28]),
            "members.0.preparation.size: List should have at least 2 items",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(size=28),
            "members.0.preparation.size: Input should be a valid list",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(mean=[float("nan")]),
            "members.0.preparation.mean.0: Input should be a finite number",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(mean=72.9),
            "members.0.preparation.mean: Input should be a valid list",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(std=[0.0]),
            "members.0.preparation.std.0: Input should be greater than 0",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(mean=[0.0] * 3),
            "3 means and 1 standard deviations; expected one a channel",
        ),
        (
            lambda d: d["members"][0]["preparation"].update(mean=[0.0] * 3, std=[1.0] * 3),
            "preparation and frame differ in their channels",
        ),
        (
            lambda d: (
                d["frame"].update(channels=3, background=[0] * 3),
                d["members"][0]["preparation"].update(mean=[0.0] * 3, std=[1.0] * 3),
            ),
            "0.0.weight: its shape or dtype does not fit the description",
        ),
        (lambda d: d["frame"].update(channels=2), "frame.channels: Input should be 1 or 3"),
        (lambda d: d["frame"].update(background=[0, 0, 0]), "3 levels of the background for 1 channels"),
        (
            lambda d: d["frame"].update(background=[256]),
            "frame.background.0: Input should be less than or equal to 255",
        ),
        (lambda d: d["frame"].update(levels=[9, 9]), "levels: 9 is not below 9"),
        (lambda d: d["frame"].update(height=10**7), "frame.height: Input should be less than or equal to 1024"),
        (lambda d: d["frame"].update(width=20), "content of 28x28 pixels does not fit 28x20"),
        (lambda d: d["environment"].pop("precision"), "the precision of the training must be bf16 or fp32"),
        (lambda d: d["environment"].update(cpu="\x1b[31m"), "environment.cpu: a name is 1 to 255 characters"),
        (lambda d: d.update(classes=["a"] * 10), "classes: a name occurs twice"),
        (lambda d: d["classes"].__setitem__(0, "=cmd()"), "classes.0: a spreadsheet would take this name"),
        (lambda d: d["classes"].__setitem__(0, "\x1b[31m"), "classes.0: a name is 1 to 255 characters"),
        (lambda d: d.update(family="../../cnn"), "description.family: unknown family"),
        (lambda d: d["members"][0].update(temperature=float("inf")), "temperature: Input should be a finite number"),
    ],
)
def test_a_description_that_does_not_fit_its_weights_is_refused(
    classifier: Classifier, change: Callable[[dict], object], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save(Ensemble([classifier]), path)
    change_description(path, change)
    with pytest.raises(InputError, match=complaint) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: damaged, or made by another version")


def test_every_flipped_bit_is_detected(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(Ensemble([classifier]), path)
    size = path.stat().st_size
    for position in [*range(0, 1000, 7), *range(1000, size, size // 100), size - 1]:  # the header, then weights
        flip_a_bit(path, position)
        with pytest.raises(InputError, match="damaged|not a model of this project"):
            load(path)
        flip_a_bit(path, position)
    load(path)


def test_weights_of_another_type_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    save(Ensemble([classifier]), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes().replace(b'"F32"', b'"I32"')
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="its shape or dtype does not fit the description"):
        load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\x1b[31m"])
def test_a_description_that_is_no_valid_json_is_refused(text: str, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"fashion": text})
    with pytest.raises(InputError, match="not a model of this project"):
        load(tmp_path / "model.safetensors")


def test_a_pickle_is_not_unpickled(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="not a model of this project"):
        load(tmp_path / "model.safetensors")


def test_a_missing_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`dvc repro` trains it"):
        load(tmp_path / "model.safetensors")
