"""Predict each labelled image by a model that has not seen it: data/audit/out_of_fold.npy.

python -m stages.models.cross_fit

With folds these are the answers of the final model's members. Else a small model is trained on two of three folds, and
predicts the third, in turn; copies and groups stay together. Images of an official test set and unused ones are not
predicted: their rows are NaN.
"""

import sys

import numpy as np

from fashion.classifier.device import configure_torch, select_device
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import load
from fashion.files import read_array, read_json, write_array
from fashion.images.parts import Part, any_member, members_with, read_images, read_samples
from fashion.params import Params
from fashion.settings.fields import FINAL
from fashion.settings.frame import read_frame
from fashion.settings.model import System
from fashion.training.callbacks import Callback
from fashion.training.ensemble import LabelledParts, train_ensemble
from fashion.training.progress import TrainingProgress
from stages import paths
from stages.entry import run_stage

FOLDS = 3


def main(params: Params) -> None:
    configure_torch(params.finetune.threads)
    images, labels = read_images(paths.SPLIT, "labelled")
    parts = read_array(paths.PARTS)
    if len(parts) > 1:
        ensemble = load(paths.model(FINAL))
    else:
        used = np.flatnonzero(parts[0] != Part.UNUSED)
        parts = fold_parts(labels, used, read_groups())
        ensemble = cross_fit(params, LabelledParts(images, labels, parts, read_classes(), read_frame(paths.ABOUT)))
    held_out = Part.TEST if (parts == Part.TEST).any() else Part.VALIDATION
    chosen = any_member(parts, held_out)
    prediction = ensemble.predict_with(members_with(parts, held_out), images[chosen], select_device())
    result = np.full((len(labels), len(ensemble.classes)), np.nan, np.float32)
    result[chosen] = prediction.log_probabilities.numpy()
    accuracy = np.mean(prediction.labels == labels[chosen])
    write_array(paths.AUDIT / "out_of_fold.npy", result)
    print(f"cross_fit: {len(chosen)} images, accuracy {accuracy:.4f} out of fold", flush=True)


def fold_parts(labels: np.ndarray, used: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Divide images into folds with the proportions of the classes; member k is validated on fold k: members x N.

    used: indices. groups: numbers of N; images of the same number are put into the same fold.
    """
    folds = np.full(len(labels), -1)
    sizes = np.zeros((labels.max() + 1, FOLDS), int)  # images of each class in each fold
    by_group: dict[int, list[int]] = {}
    for index in used[np.argsort(labels[used], kind="stable")]:
        by_group.setdefault(int(groups[index]), []).append(index)
    for indices in by_group.values():
        folds[indices] = sizes[labels[indices[0]]].argmin()
        np.add.at(sizes, (labels[indices], folds[indices]), 1)
    parts = np.where(folds >= 0, Part.TRAIN, Part.UNUSED).astype(np.uint8)[None].repeat(FOLDS, 0)
    for member in range(FOLDS):
        parts[member, folds == member] = Part.VALIDATION
    return parts


def read_groups() -> np.ndarray:
    """Number the groups of the labelled images that stay together."""
    samples = read_samples(paths.SPLIT)[: read_array(paths.PARTS).shape[1]]
    return np.unique([sample["group"] for sample in samples], return_inverse=True)[1]


def cross_fit(params: Params, data: LabelledParts) -> Ensemble:
    """Train a small model on all folds but one, in turn."""
    model = params.model.at_size(params.audit.size)

    def adapt(num_images: int) -> System:
        return model.for_images(num_images, data.frame.content_height, data.frame.content_width)

    trainings: list[str] = []

    def watch(training: str, system: System) -> tuple[list[Callback], None]:
        trainings.append(training)
        epochs = {name: params.finetune.max_epochs or phase.max_epochs for name, phase in system.phases.items()}
        left = FOLDS - len(trainings)
        return [TrainingProgress(f"cross_fit {training}", sys.stderr, epochs=epochs, trainings_left=left)], None

    augmentation = model.allowed_augmentation()
    return train_ensemble(adapt, params.finetune, data, test_time_augmentation=augmentation, watch=watch)[0]


def read_classes() -> list[str]:
    return read_json(paths.ABOUT)["classes"]


if __name__ == "__main__":
    run_stage(main)
