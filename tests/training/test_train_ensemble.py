"""Members of an ensemble: what each is trained, validated and calibrated on; and the refit on all images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fashion.images.copies import augment
from fashion.images.parts import Part
from fashion.settings.model import System
from fashion.training import ensemble as ensemble_training
from fashion.training.calibration import choose_temperature
from fashion.training.ensemble import LabelledParts, mean_history, refit_phases, train_ensemble
from fashion.training.train import TrainingData, train_classifier, whole_frame
from small import CLASSES, make_settings, make_system

CPU = torch.device("cpu")
SYSTEM = make_system(phases={"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}})


@pytest.fixture
def folds(images: np.ndarray, labels: np.ndarray) -> LabelledParts:
    """Give 400 images in four folds, of which each member is tested on one and validated on half of another."""
    number = np.arange(400) // 10 % 8
    parts = np.full((4, 400), Part.TRAIN, np.uint8)
    for member in range(4):
        parts[member, number // 2 == member] = Part.TEST
        parts[member, number == 2 * ((member + 1) % 4)] = Part.VALIDATION
    return LabelledParts(images, labels, parts, CLASSES, whole_frame(images))


Given = list[tuple[TrainingData, dict[str, Any]]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """Give what each training was given."""
    remembered: Given = []

    def remember(system: System, settings: object, data: TrainingData, **others: Any) -> object:
        remembered.append((data, {"phases": system.phases, **others}))
        return train_classifier(system, settings, data, **others)

    monkeypatch.setattr(ensemble_training, "train_classifier", remember)
    return remembered


def rows_of(images: np.ndarray, among: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images} & {image.tobytes() for image in among}


def test_no_member_sees_an_image_that_it_is_tested_on(folds: LabelledParts, given: Given) -> None:
    ensemble, history = train_ensemble(lambda _: SYSTEM, make_settings(), folds)
    assert (len(ensemble.members), ensemble.refit) == (4, None)
    for number, (data, _) in enumerate(given):
        tested = folds.images[folds.parts[number] == Part.TEST]
        assert data.validation is not None
        for part in (data.train, data.validation, data.calibration):
            assert part is not None
            assert not rows_of(tested, part.images)
        assert not rows_of(data.train.images, data.validation.images)
        assert (len(tested), len(data.train.labels), len(data.validation.labels)) == (100, 250, 50)
    assert [row["epoch"] for row in history] == [1, 2]


def test_the_pixels_and_labels_of_test_images_change_nothing_in_a_training(folds: LabelledParts) -> None:
    """Labelled images are one file, with those of a test that was split off."""
    one = replace(folds, parts=folds.parts[:1])
    tested = one.parts[0] == Part.TEST
    images, labels = one.images.copy(), one.labels.copy()
    images[tested], labels[tested] = 255 - images[tested], (labels[tested] + 1) % len(CLASSES)
    changed = replace(one, images=images, labels=labels)
    first, second = (train_ensemble(lambda _: SYSTEM, make_settings(), data, refit=True)[0] for data in (one, changed))
    for before, after in ((first.members[0], second.members[0]), (first.refit, second.refit)):
        assert before is not None
        assert after is not None
        assert (before.temperature, before.threshold) == (after.temperature, after.threshold)
        for name, tensor in before.model.state_dict().items():
            torch.testing.assert_close(after.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_members_start_from_weights_of_their_own_and_the_first_from_those_of_a_single_training(
    folds: LabelledParts, given: Given
) -> None:
    train_ensemble(lambda _: SYSTEM, make_settings(), folds)
    assert [others["member"] for _, others in given] == [0, 1, 2, 3]
    (data, _) = given[0]
    weights = [
        train_classifier(SYSTEM, make_settings(max_epochs=1), data, **member)[0].model.state_dict()["0.weight"]
        for member in ({}, {"member": 0}, {"member": 1})
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_member_is_calibrated_by_the_validation_images_of_all_members_except_those_it_is_tested_on(
    folds: LabelledParts, given: Given
) -> None:
    ensemble, _ = train_ensemble(lambda _: SYSTEM, make_settings(), folds)
    logits, labels = [], []
    for number in (0, 1, 2):  # member 3 validates on images that member 0 is tested on
        validation = given[number][0].validation
        assert validation is not None
        logits.append(ensemble.members[number].logits(validation.images, CPU).double())
        labels.append(torch.from_numpy(validation.labels.astype(np.int64)))
    assert ensemble.members[0].temperature == choose_temperature(torch.cat(logits), torch.cat(labels))


def test_a_refit_is_trained_on_all_images_of_the_folds_for_as_many_epochs_as_were_best(
    folds: LabelledParts, given: Given
) -> None:
    ensemble, _ = train_ensemble(lambda _: SYSTEM, make_settings(), folds, refit=True)
    data, others = given[-1]
    assert ensemble.refit is not None
    assert (len(data.train.labels), data.validation, others["member"]) == (400, None, 4)
    assert ensemble.refit.threshold != 0.0, "calibrated"


def test_a_refit_of_a_single_split_leaves_its_test_images_out(folds: LabelledParts, given: Given) -> None:
    folds.parts = folds.parts[:1]
    train_ensemble(lambda _: SYSTEM, make_settings(), folds, refit=True)
    assert not rows_of(folds.images[folds.parts[0] == Part.TEST], given[-1][0].train.images)
    assert len(given[-1][0].train.labels) == 300


def test_a_variant_on_augmented_images_is_calibrated_on_plain_ones(folds: LabelledParts, given: Given) -> None:
    plain = folds.images
    folds.images = augment(plain, crop=2, background=[0])
    folds.labels, folds.copies, folds.parts = folds.labels.repeat(4), 4, folds.parts[:1]
    train_ensemble(lambda _: SYSTEM, make_settings(max_epochs=1), folds)
    data, _ = given[0]
    assert data.validation is not None
    assert data.calibration is not None
    chosen = np.flatnonzero(folds.parts[0] == Part.VALIDATION)
    assert len(data.validation.images) == 4 * len(chosen)
    np.testing.assert_array_equal(data.calibration.images, plain[chosen])
    np.testing.assert_array_equal(data.calibration.labels, folds.labels[::4][chosen])


def row(phase: str, epoch: int, accuracy: float, *, best: bool) -> dict[str, Any]:
    return {"phase": phase, "epoch": epoch, "val_loss": 1.0, "val_accuracy": accuracy, "best": best}


def test_a_refit_takes_the_mean_of_the_epochs_that_were_best_and_leaves_out_phases_that_were_not() -> None:
    phase = SYSTEM.phases["adam"]
    phases = {"main": phase, "finetune": phase.model_copy(update={"patience": 2}), "last": phase}
    histories = [
        [row("main", 2, 0.5, best=True), row("main", 4, 0.4, best=False), row("finetune", 9, 0.7, best=True)],
        [row("main", 2, 0.4, best=True), row("main", 6, 0.6, best=True), row("finetune", 7, 0.7, best=True)],
    ]
    refitted = refit_phases(phases, histories)
    assert {name: refitted[name].max_epochs for name in refitted} == {"main": 4, "finetune": 3}
    assert refitted["finetune"].patience is None


def test_a_training_that_ends_a_phase_early_counts_with_its_last_row_in_the_mean_history() -> None:
    histories = [
        [row("main", 1, 0.5, best=True), row("main", 2, 0.7, best=True), row("finetune", 3, 0.8, best=True)],
        [row("main", 1, 0.3, best=True), row("finetune", 2, 0.4, best=True), row("finetune", 3, 0.2, best=False)],
    ]
    means = mean_history(histories, "accuracy")
    assert [(each["phase"], each["epoch"], each["val_accuracy"], each["best"]) for each in means] == [
        ("main", 1, 0.4, True),
        ("main", 2, pytest.approx(0.5), True),
        ("finetune", 3, pytest.approx(0.6), True),
        ("finetune", 4, 0.5, False),
    ]


def test_a_single_history_stays_as_it_is() -> None:
    rows = [row("main", 1, 0.5, best=True)]
    assert mean_history([rows], "loss") == rows
