"""Score one trained system on validation and test: data/evaluated/NAME.json and NAME.npy.

Nothing is chosen by what it finds. Of the final model, the classes that it sees in some of the images it learned from
are kept too: data/predicted/train.npy, a row of labels and one of answers.
"""

import csv
from typing import Any

import numpy as np
import torch

import paths
from entry import run
from fashion.classifier.classifier import Classifier, energy_score
from fashion.classifier.device import pick_device, prepare_to_compute
from fashion.classifier.file import load
from fashion.files import read_array, write_array, write_json
from fashion.images.out_of_distribution import strangers
from fashion.images.robustness import changed
from fashion.params import Params
from fashion.results.scores import calibration, roc_area, score
from fashion.settings.fields import FINAL

CHANGED = 2000  # test images whose changed copies are judged; with all, the final model would take ten minutes
LEARNED = 10_000  # training images that are judged; all 50,000 of Fashion-MNIST would take several minutes


def main(params: Params, name: str) -> None:
    prepare_to_compute(params.train.threads)
    device = pick_device()
    classifier = load(paths.model(name))
    val_labels, val_images = labelled("validation")
    test_labels, test_images = labelled("test")
    validation = classifier.log_probabilities(val_images, device).numpy()
    test_logits = classifier.logits(test_images, device)
    test = classifier.tempered(test_logits).numpy()
    with paths.history(name).open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    best = max(history, key=lambda row: float(row["val_accuracy"]))  # the first of equals, as in training
    figures = {
        "parameters": classifier.parameters(),
        "epochs": int(history[-1]["epoch"]),
        "best_epoch": int(best["epoch"]),
        "train_accuracy": float(best["train_accuracy"]),
        "val_accuracy": float(np.mean(validation.argmax(1) == val_labels)),
        **score(test_labels, test, classifier.classes),
        "calibration": calibration(test_labels, test, classifier.temperature),
    }
    if name == FINAL:
        some = spread(CHANGED, len(test_images))
        figures["robustness"] = robustness(classifier, device, test_images[some], test_labels[some])
        figures["out_of_distribution"] = out_of_distribution(classifier, device, test_logits)
        train_labels, train_images = labelled("train")
        some = spread(LEARNED, len(train_images))
        guesses = classifier.log_probabilities(train_images[some], device).numpy().argmax(1)
        write_array(paths.GUESSES, np.stack([train_labels[some], guesses]).astype(np.uint16))
    write_json(paths.scores(name), {**figures, "environment": classifier.environment})
    write_array(paths.log_probabilities(name), test)
    print(
        f"{name}: validation accuracy {figures['val_accuracy']:.4f}, test accuracy {figures['test_accuracy']:.4f}",
        flush=True,
    )


def labelled(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the labels and the images of a part."""
    return np.asarray(read_array(paths.labels(paths.SPLIT, part))), read_array(paths.images(paths.SPLIT, part))


def spread(some: int, number: int) -> np.ndarray:
    """Choose some of so many images, evenly: they may lie in the order of their classes."""
    return np.linspace(0, number, min(some, number), endpoint=False).astype(int)


def robustness(
    classifier: Classifier, device: torch.device, images: np.ndarray, labels: np.ndarray
) -> list[dict[str, Any]]:
    """Give the accuracy on images as they are and on changed ones."""
    rows = []
    for change, amount, altered in [("none", "", images), *changed(images)]:
        guesses = classifier.log_probabilities(altered, device).numpy().argmax(1)
        rows.append({"change": change, "amount": amount, "accuracy": float(np.mean(guesses == labels))})
        print(f"{change} {amount}: accuracy {rows[-1]['accuracy']:.4f}", flush=True)
    return rows


def out_of_distribution(classifier: Classifier, device: torch.device, test: torch.Tensor) -> list[dict[str, Any]]:
    """Tell how well the energy score keeps test images apart from others: area under ROC, and how many are warned of.

    test: the logits of the test images.
    """
    rows: list[dict[str, Any]] = [{"images": "test", "roc_auc": None, "warned_of": share(classifier.unlike(test))}]
    for kind, images in strangers(classifier.frame.content).items():
        others = classifier.logits(classifier.frame.centred(images), device)
        truth = np.repeat([True, False], [len(test), len(others)])
        area = roc_area(truth, torch.cat([energy_score(test), energy_score(others)]).numpy())
        rows.append({"images": kind, "roc_auc": area, "warned_of": share(classifier.unlike(others))})
        print(f"{kind}: area under ROC {area:.4f}, warned of {rows[-1]['warned_of']:.1%}", flush=True)
    return rows


def share(true: torch.Tensor) -> float:
    return true.double().mean().item()


if __name__ == "__main__":
    run(main)
