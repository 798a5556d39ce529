"""Train the classifiers of an ensemble: one, or one for each fold; and, if asked for, one on all of their images."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import select_device
from fashion.classifier.ensemble import Ensemble
from fashion.images.parts import Part, any_member, indices_of
from fashion.settings.fields import TestTimeAugmentation
from fashion.settings.frame import Frame
from fashion.settings.model import ChooseBy, Phase, System, TrainSettings
from fashion.training.calibration import calibrate
from fashion.training.callbacks import Callback
from fashion.training.checkpoint import Checkpoint
from fashion.training.train import LabelledImages, TrainingData, train_classifier
from fashion.training.trainer import rank


@dataclass
class LabelledParts:
    """Labelled images and what each is for.

    images, labels: `copies` of each of N images, one after the other; the first is the image itself. parts: uint8 of
    members x N, see `fashion.images.split.split`.
    """

    images: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    classes: list[str]
    frame: Frame
    copies: int = 1

    def select(self, indices: np.ndarray) -> LabelledImages:
        return LabelledImages(self.images[indices], self.labels[indices])


Watch = Callable[[str, System], tuple[Sequence[Callback], Checkpoint | None]]
"""Called with the name of a training, `fold 2` or `refit`, and its settings: gives its callbacks and checkpoint."""


def train_ensemble(
    adapt: Callable[[int], System],
    settings: TrainSettings,
    data: LabelledParts,
    *,
    test_time_augmentation: TestTimeAugmentation = "none",
    refit: bool = False,
    watch: Watch = lambda *_: ((), None),
) -> tuple[Ensemble, list[dict[str, Any]]]:
    """Train a classifier for each member of `data.parts`; give them, and the mean of their histories.

    adapt: gives the settings of the system for a number of training images. refit: whether to train once more, on the
    images of all members' training and validation, for as many epochs as were best.
    """
    members, histories, logits = [], [], []
    train, validation = (indices_of(data.parts, part, copies=data.copies) for part in (Part.TRAIN, Part.VALIDATION))
    for number, (chosen, held_out) in enumerate(zip(train, validation, strict=True)):
        system = adapt(len(chosen))
        callbacks, checkpoint = watch(f"fold {number + 1}" if len(train) > 1 else "", system)
        calibration = data.select(held_out[:: data.copies])
        classifier, history = train_classifier(
            system,
            settings,
            TrainingData(data.select(chosen), data.select(held_out), data.classes, data.frame, calibration),
            test_time_augmentation=test_time_augmentation,
            member=number,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )
        members.append(classifier)
        histories.append(history)
        if len(train) > 1 or refit:
            logits.append(classifier.logits(calibration.images, select_device()))
    calibrator = Calibrator(data, logits)
    if len(members) > 1:
        for number, member in enumerate(members):
            calibrator.calibrate(member, leave_out=data.parts[number] == Part.TEST)
    ensemble = Ensemble(members)
    if refit:
        ensemble.refit = train_refit(adapt, settings, data, histories, test_time_augmentation, watch)
        calibrator.calibrate(ensemble.refit)
    return ensemble, mean_history(histories, settings.choose_by)


def mean_history(histories: Sequence[Sequence[Mapping[str, Any]]], choose_by: ChooseBy) -> list[dict[str, Any]]:
    """Give the mean of some histories at each validation that any of them has.

    In each phase epochs are counted from its start. A training that has ended a phase earlier than others counts with
    its last row.
    """
    if len(histories) == 1:
        return [dict(row) for row in histories[0]]
    rows: list[dict[str, Any]] = []
    best, first = [-math.inf], 0
    starts = [0] * len(histories)
    for phase in dict.fromkeys(row["phase"] for row in histories[0]):
        of_phase = [
            [(row["epoch"] - start, row) for row in history if row["phase"] == phase]
            for history, start in zip(histories, starts, strict=True)
        ]
        epochs = sorted({epoch for history in of_phase for epoch, _ in history})
        for epoch in epochs:
            reached = [[row for at, row in history if at <= epoch] for history in of_phase]
            last = [history[-1] for history in reached if history]
            means = {
                key: float(np.mean([row[key] for row in last]))
                for key in last[0]
                if key not in ("phase", "epoch", "best")
            }
            row = {"phase": phase, "epoch": first + epoch, **means}
            row["best"] = rank(row, choose_by) > best
            if row["best"]:
                best = rank(row, choose_by)
            rows.append(row)
        starts = [
            history[-1][1]["epoch"] if history else start for history, start in zip(of_phase, starts, strict=True)
        ]
        first += epochs[-1]
    return rows


class Calibrator:
    """Calibrates classifiers by the validation images of all members: those of one alone are often few.

    logits: for each member, of its validation images, in ascending order.
    """

    def __init__(self, data: LabelledParts, logits: Sequence[torch.Tensor]) -> None:
        self.indices = np.concatenate(indices_of(data.parts, Part.VALIDATION))
        self.labels = data.labels[:: data.copies][self.indices]
        self.logits = logits

    def calibrate(self, classifier: Classifier, leave_out: np.ndarray | None = None) -> None:
        """Calibrate a classifier. leave_out: images that its figures come from, N booleans."""
        kept = np.ones(len(self.indices), bool) if leave_out is None else ~leave_out[self.indices]
        calibrate(classifier, torch.cat(list(self.logits))[torch.from_numpy(kept)], self.labels[kept])


def train_refit(
    adapt: Callable[[int], System],
    settings: TrainSettings,
    data: LabelledParts,
    histories: Sequence[Sequence[Mapping[str, Any]]],
    test_time_augmentation: TestTimeAugmentation,
    watch: Watch,
) -> Classifier:
    """Train a classifier on the training and validation images of all members, without validation.

    With a single member its test images stay out; with folds all labelled images are used.
    """
    used = (
        any_member(data.parts, Part.TRAIN)
        if len(data.parts) > 1
        else np.flatnonzero((data.parts[0] == Part.TRAIN) | (data.parts[0] == Part.VALIDATION))
    )
    chosen = (used[:, None] * data.copies + np.arange(data.copies)).ravel()
    system = adapt(len(chosen))
    system = system.model_copy(update={"phases": refit_phases(system.phases, histories)})
    callbacks, checkpoint = watch("refit", system)
    classifier, _ = train_classifier(
        system,
        settings.model_copy(update={"max_epochs": None}),
        TrainingData(data.select(chosen), None, data.classes, data.frame),
        test_time_augmentation=test_time_augmentation,
        member=len(data.parts),
        callbacks=callbacks,
        checkpoint=checkpoint,
    )
    return classifier


def refit_phases(phases: Mapping[str, Phase], histories: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Phase]:
    """Give each phase the number of epochs after which it was best, the mean over some histories.

    A phase that made none of the trainings better is left out.
    """
    epochs: dict[str, list[int]] = {name: [] for name in phases}
    for history in histories:
        started = 0
        for name in phases:
            rows = [row for row in history if row["phase"] == name]
            epochs[name].append(max((row["epoch"] - started for row in rows if row["best"]), default=0))
            started = max((row["epoch"] for row in rows), default=started)
    means = {name: round(float(np.mean(counts))) for name, counts in epochs.items()}
    return {
        name: phase.model_copy(update={"max_epochs": means[name], "patience": None})
        for name, phase in phases.items()
        if means[name]
    }
