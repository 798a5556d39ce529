"""Score a training with another seed: data/seeds/evaluated/RUN.json, and RUN.npy, which test images it has right."""

import numpy as np

import paths
from entry import run as run_stage
from fashion.classifier.device import pick_device, prepare_to_compute
from fashion.classifier.file import load
from fashion.files import read_array, write_array, write_json
from fashion.params import Params


def main(params: Params, run: str) -> None:
    prepare_to_compute(params.train.threads)
    device = pick_device()
    classifier = load(paths.model_again(run))
    correct: dict[str, np.ndarray] = {}
    for part in ("validation", "test"):
        images, labels = (read_array(path(paths.SPLIT, part)) for path in (paths.images, paths.labels))
        correct[part] = classifier.log_probabilities(images, device).numpy().argmax(1) == labels
    validation, test = (float(np.mean(correct[part])) for part in ("validation", "test"))
    scores = {"val_accuracy": validation, "test_accuracy": test, "environment": classifier.environment}
    write_json(paths.scores_again(run), scores)
    write_array(paths.correct_again(run), correct["test"])
    print(f"{run}: validation accuracy {validation:.4f}, test accuracy {test:.4f}", flush=True)


if __name__ == "__main__":
    run_stage(main)
