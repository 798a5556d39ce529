"""Score a trained system on validation and test images: data/evaluated/NAME.json and NAME.npy.

python -m stages.models.evaluate base      a variant
python -m stages.models.evaluate final     the final model: also robustness, out-of-distribution images, training images
python -m stages.models.evaluate base-1    a run with its own seed: accuracies and correct test images alone

Nothing is chosen by these scores.
"""

import csv
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fashion.classifier.classifier import Classifier, Prediction
from fashion.classifier.device import configure_torch, select_device
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.model_file import load
from fashion.files import read_array, write_array, write_json
from fashion.images.out_of_distribution import ood_images
from fashion.images.parts import Part, any_member, indices_of, members_with, read_images
from fashion.images.robustness import corrupted_images
from fashion.networks.building import factory
from fashion.params import Params
from fashion.results.metrics import (
    apply_temperature,
    balanced_accuracy,
    calibration,
    negative_log_likelihood,
    roc_auc,
    score,
)
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage

ROBUSTNESS_IMAGES = 2000  # test images that are corrupted; with all, the final model would take ten minutes
TRAIN_IMAGES = 10_000  # training images that are scored; all 50,000 of Fashion-MNIST would take several minutes


@dataclass
class HeldOut:
    """Labelled images that were not trained on, and how a system predicts them.

    members: the number of the member that predicts each image, which has not seen it; None if the system as a whole
    has not seen them.
    """

    images: np.ndarray
    labels: np.ndarray
    members: np.ndarray | None = None

    def predict(self, ensemble: Ensemble, device: torch.device) -> Prediction:
        if self.members is None:
            return ensemble.predict(self.images, device)
        return ensemble.predict_with(self.members, self.images, device)

    def classifiers(self, ensemble: Ensemble) -> list[Classifier]:
        """Give the classifiers of a system that predict these images."""
        return (
            ensemble.used if self.members is None else [ensemble.members[number] for number in np.unique(self.members)]
        )

    def some(self, count: int) -> "HeldOut":
        """Give at most `count` of the images, evenly spaced, since they may be sorted by class."""
        chosen = evenly_spaced(count, len(self.images))
        members = None if self.members is None else self.members[chosen]
        return HeldOut(self.images[chosen], self.labels[chosen], members)


def main(params: Params, run: str) -> None:
    configure_torch(params.train.threads)
    device, ensemble = select_device(), load(paths.model(run))
    score_run = evaluate_seed if paths.has_own_seed(run) else evaluate
    validation, test = score_run(run, ensemble, device)
    print(f"{run}: validation accuracy {validation:.4f}, test accuracy {test:.4f}", flush=True)


def evaluate(name: str, ensemble: Ensemble, device: torch.device) -> tuple[float, float]:
    """Write all scores and the test log-probabilities of a system; give its validation and test accuracy."""
    validation, test = read_validation(), read_test()
    val_prediction = validation.predict(ensemble, device)
    val_predicted = val_prediction.labels
    test_prediction = test.predict(ensemble, device)
    log_probabilities = test_prediction.log_probabilities.numpy()
    temperatures = [classifier.temperature for classifier in test.classifiers(ensemble)]
    if len(temperatures) == 1:
        uncalibrated = apply_temperature(log_probabilities, 1 / temperatures[0])
    else:
        uncalibrated = test.predict(ensemble.uncalibrated(), device).log_probabilities.numpy()
    scores = {
        "parameters": ensemble.members[0].num_parameters(),
        **read_history(name),
        "val_accuracy": float(np.mean(val_predicted == validation.labels)),
        "val_balanced_accuracy": balanced_accuracy(validation.labels, val_predicted, len(ensemble.classes)),
        "val_loss": negative_log_likelihood(validation.labels, val_prediction.log_probabilities.numpy()),
        **score(test.labels, log_probabilities, ensemble.classes),
        "calibration": calibration(test.labels, uncalibrated, log_probabilities, temperatures),
    }
    scores |= {"folds": len(ensemble.members) if len(ensemble.members) > 1 else 0, "refit": ensemble.refit is not None}
    first = ensemble.members[0]
    if isinstance(first.model, factory.Pretrained) and (weights := first.model.describe_weights(first.arguments)):
        scores["pretrained"] = weights
    if name == FINAL:
        scores["robustness"] = robustness(ensemble, device, test.some(ROBUSTNESS_IMAGES))
        scores["out_of_distribution"] = out_of_distribution(
            ensemble, device, test_prediction, by_members=test.members is not None
        )
        write_train_predictions(ensemble, device)
    write_json(paths.scores(name), {**scores, "environment": ensemble.environment})
    write_array(paths.log_probabilities(name), log_probabilities)
    return scores["val_accuracy"], scores["test_accuracy"]


def evaluate_seed(run: str, ensemble: Ensemble, device: torch.device) -> tuple[float, float]:
    """Write the accuracies of a run with its own seed, and which test images are correct."""
    validation, test = (
        part.predict(ensemble, device).labels == part.labels for part in (read_validation(), read_test())
    )
    scores = {
        "val_accuracy": float(np.mean(validation)),
        "test_accuracy": float(np.mean(test)),
        "environment": ensemble.environment,
    }
    write_json(paths.scores(run), scores)
    write_array(paths.correct(run), test)
    return float(np.mean(validation)), float(np.mean(test))


def read_history(name: str) -> dict[str, Any]:
    """Read how many epochs a system was trained, and how accurate it was; with folds these are means."""
    with paths.history(name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    best = [row for row in rows if row["best"] == "True"][-1]
    return {
        "epochs": int(rows[-1]["epoch"]),
        "best_epoch": int(best["epoch"]),
        "train_accuracy": float(best["train_accuracy"]),
    }


def read_validation() -> HeldOut:
    """Read the validation images, each of which a member was validated on."""
    (images, labels), parts = read_images(paths.SPLIT, "labelled"), read_array(paths.PARTS)
    chosen = any_member(parts, Part.VALIDATION)
    return HeldOut(images[chosen], labels[chosen], members_with(parts, Part.VALIDATION))


def read_test() -> HeldOut:
    """Read the test images: with folds and no official test set, a member predicts each; else the system does."""
    (images, labels), parts = read_images(paths.SPLIT, "test"), read_array(paths.PARTS)
    by_members = len(parts) > 1 and (parts == Part.TEST).any()
    return HeldOut(images, labels, members_with(parts, Part.TEST) if by_members else None)


def evenly_spaced(count: int, total: int) -> np.ndarray:
    """Choose `count` of `total` indices, evenly spaced, since images may be sorted by class."""
    return np.linspace(0, total, min(count, total), endpoint=False).astype(int)


def robustness(ensemble: Ensemble, device: torch.device, test: HeldOut) -> list[dict[str, Any]]:
    """Compute the accuracy on the original and on corrupted images."""
    rows = []
    background = ensemble.frame.background
    for change, amount, corrupted in [("none", "", test.images), *corrupted_images(test.images, background)]:
        correct = replace(test, images=corrupted).predict(ensemble, device).labels == test.labels
        row = {"change": change, "amount": amount, "accuracy": float(np.mean(correct)), "images": len(correct)}
        rows.append(row)
        print(f"{change} {amount}: accuracy {rows[-1]['accuracy']:.4f}", flush=True)
    return rows


def out_of_distribution(
    ensemble: Ensemble, device: torch.device, test: Prediction, *, by_members: bool
) -> list[dict[str, Any]]:
    """Measure how well the energy score separates test images from others: ROC AUC, and the share below the threshold.

    test: of the test images. by_members: whether a single member gave each of its rows; then the members also take
    turns with the other images, since margins of different systems cannot be compared.
    """
    share = float(test.out_of_distribution.mean())
    rows: list[dict[str, Any]] = [{"images": "test", "roc_auc": None, "warned_of": share}]
    for kind, images in ood_images(ensemble.frame).items():
        turns = np.arange(len(images)) % len(ensemble.members) if by_members else None
        other = HeldOut(images, np.zeros(len(images), int), turns).predict(ensemble, device)
        is_test = np.repeat([True, False], [len(test.margins), len(images)])
        area = roc_auc(is_test, torch.cat([test.margins, other.margins]).numpy())
        share = float(other.out_of_distribution.mean())
        rows.append({"images": kind, "roc_auc": area, "warned_of": share})
        print(f"{kind}: ROC AUC {area:.4f}, out of distribution {share:.1%}", flush=True)
    return rows


def write_train_predictions(ensemble: Ensemble, device: torch.device) -> None:
    """Write the labels and predictions of some training images of the first member: data/predicted/train.npy, 2 x N."""
    images, labels = read_images(paths.SPLIT, "labelled")
    trained_on = indices_of(read_array(paths.PARTS), Part.TRAIN)[0]
    chosen = trained_on[evenly_spaced(TRAIN_IMAGES, len(trained_on))]
    predicted = ensemble.members[0].predict(images[chosen], device).labels
    write_array(paths.TRAIN_PREDICTIONS, np.stack([labels[chosen], predicted]).astype(np.uint16))


if __name__ == "__main__":
    run_stage(main)
