"""Score a trained system on validation and test images: data/evaluated/NAME.json and NAME.npy.

python -m stages.models.evaluate base      a variant
python -m stages.models.evaluate final     the final model: also robustness, out-of-distribution images, training images
python -m stages.models.evaluate base-1    a run with its own seed: accuracies and correct test images alone

Nothing is chosen by these scores.
"""

import csv
from typing import Any

import numpy as np
import torch

from fashion.classifier.classifier import Classifier, energy_score
from fashion.classifier.device import configure_torch, select_device
from fashion.classifier.model_file import load
from fashion.files import read_array, write_array, write_json
from fashion.images.out_of_distribution import ood_images
from fashion.images.robustness import corrupted_images
from fashion.params import Params
from fashion.results.metrics import calibration, roc_auc, score
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage

ROBUSTNESS_IMAGES = 2000  # test images that are corrupted; with all, the final model would take ten minutes
TRAIN_IMAGES = 10_000  # training images that are scored; all 50,000 of Fashion-MNIST would take several minutes


def main(params: Params, run: str) -> None:
    configure_torch(params.train.threads)
    device, classifier = select_device(), load(paths.model(run))
    if paths.has_own_seed(run):
        accuracies = evaluate_seed(run, classifier, device)
    else:
        accuracies = evaluate(run, classifier, device)
    print(f"{run}: validation accuracy {accuracies[0]:.4f}, test accuracy {accuracies[1]:.4f}", flush=True)


def evaluate(name: str, classifier: Classifier, device: torch.device) -> tuple[float, float]:
    """Write all scores and the test log-probabilities of a system; give its validation and test accuracy."""
    val_images, val_labels = read_part("validation")
    test_images, test_labels = read_part("test")
    validation = classifier.log_probabilities(val_images, device).numpy()
    test_logits = classifier.logits(test_images, device)
    test = classifier.calibrated_log_probabilities(test_logits).numpy()
    with paths.history(name).open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    best = max(history, key=lambda row: (float(row["val_accuracy"]), -float(row["val_loss"])))  # as in training
    scores = {
        "parameters": classifier.num_parameters(),
        "epochs": int(history[-1]["epoch"]),
        "best_epoch": int(best["epoch"]),
        "train_accuracy": float(best["train_accuracy"]),
        "val_accuracy": float(np.mean(validation.argmax(1) == val_labels)),
        **score(test_labels, test, classifier.classes),
        "calibration": calibration(test_labels, test, classifier.temperature),
    }
    if name == FINAL:
        chosen = evenly_spaced(ROBUSTNESS_IMAGES, len(test_images))
        scores["robustness"] = robustness(classifier, device, test_images[chosen], test_labels[chosen])
        scores["out_of_distribution"] = out_of_distribution(classifier, device, test_logits)
        write_train_predictions(classifier, device)
    write_json(paths.scores(name), {**scores, "environment": classifier.environment})
    write_array(paths.log_probabilities(name), test)
    return scores["val_accuracy"], scores["test_accuracy"]


def evaluate_seed(run: str, classifier: Classifier, device: torch.device) -> tuple[float, float]:
    """Write the accuracies of a run with its own seed, and which test images are correct."""
    correct: dict[str, np.ndarray] = {}
    for part in ("validation", "test"):
        images, labels = read_part(part)
        correct[part] = classifier.log_probabilities(images, device).numpy().argmax(1) == labels
    validation, test = (float(np.mean(correct[part])) for part in ("validation", "test"))
    scores = {"val_accuracy": validation, "test_accuracy": test, "environment": classifier.environment}
    write_json(paths.scores(run), scores)
    write_array(paths.correct(run), correct["test"])
    return validation, test


def read_part(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and labels of a part."""
    return read_array(paths.images(paths.SPLIT, part)), np.asarray(read_array(paths.labels(paths.SPLIT, part)))


def evenly_spaced(count: int, total: int) -> np.ndarray:
    """Choose `count` of `total` indices, evenly spaced, since images may be sorted by class."""
    return np.linspace(0, total, min(count, total), endpoint=False).astype(int)


def robustness(
    classifier: Classifier, device: torch.device, images: np.ndarray, labels: np.ndarray
) -> list[dict[str, Any]]:
    """Compute the accuracy on the original and on corrupted images."""
    rows = []
    for change, amount, corrupted in [("none", "", images), *corrupted_images(images, classifier.frame.background)]:
        correct = classifier.log_probabilities(corrupted, device).numpy().argmax(1) == labels
        row = {"change": change, "amount": amount, "accuracy": float(np.mean(correct)), "images": len(images)}
        rows.append(row)
        print(f"{change} {amount}: accuracy {rows[-1]['accuracy']:.4f}", flush=True)
    return rows


def out_of_distribution(
    classifier: Classifier, device: torch.device, test_logits: torch.Tensor
) -> list[dict[str, Any]]:
    """Measure how well the energy score separates test images from others: ROC AUC, and the share below the threshold.

    test_logits: N x classes.
    """
    share = fraction(classifier.out_of_distribution(test_logits))
    rows: list[dict[str, Any]] = [{"images": "test", "roc_auc": None, "warned_of": share}]
    for kind, images in ood_images(classifier.frame).items():
        logits = classifier.logits(images, device)
        is_test = np.repeat([True, False], [len(test_logits), len(logits)])
        area = roc_auc(is_test, torch.cat([energy_score(test_logits), energy_score(logits)]).numpy())
        share = fraction(classifier.out_of_distribution(logits))
        rows.append({"images": kind, "roc_auc": area, "warned_of": share})
        print(f"{kind}: ROC AUC {area:.4f}, out of distribution {share:.1%}", flush=True)
    return rows


def write_train_predictions(classifier: Classifier, device: torch.device) -> None:
    """Write the labels and predictions of some training images: data/predicted/train.npy, 2 x N."""
    images, labels = read_part("train")
    chosen = evenly_spaced(TRAIN_IMAGES, len(images))
    predicted = classifier.log_probabilities(images[chosen], device).numpy().argmax(1)
    write_array(paths.TRAIN_PREDICTIONS, np.stack([labels[chosen], predicted]).astype(np.uint16))


def fraction(condition: torch.Tensor) -> float:
    return condition.double().mean().item()


if __name__ == "__main__":
    run_stage(main)
