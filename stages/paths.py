"""Where everything lies, from the project's root."""

from pathlib import Path
from typing import NamedTuple

DATA = Path("data")
RAW = DATA / "raw"
INGESTED = DATA / "ingested"
ABOUT = INGESTED / "about.json"  # names of the classes, and how images were brought to one size
SPLIT = DATA / "split"
AUGMENTED = DATA / "augmented"
HISTORIES = DATA / "histories"
EVALUATED = DATA / "evaluated"
LAYERS = DATA / "layers"
PREDICTED = DATA / "predicted"
GUESSES = PREDICTED / "train.npy"  # labels of some training images, and the final model's answers
MODELS = Path("models")
CHECKPOINTS = Path("checkpoints")  # of trainings that have not ended: no output of any stage
METRICS = Path("metrics")
PLOTS = Path("plots")
SEEDS = Path("seeds")  # the graph of trainings with other seeds: its stages, lock, list and figures
AGAIN = SEEDS / "params.yaml"  # the list
SEEDS_DATA = DATA / "seeds"
SPREAD = METRICS / "seeds.json"  # a copy of the figures, which the report reads: see seeds/dvc.yaml
SEEDS_DURATIONS = Path("logs/seeds_durations.json")  # what is expected of them
DURATIONS = Path("benchmarks/durations.json")  # of the run that made the results in git
REPORT = Path("report.html")


def images(folder: Path, part: str) -> Path:
    """Give the images of a part: train, validation, test or unlabelled."""
    return folder / f"{part}_images.npy"


def labels(folder: Path, part: str) -> Path:
    """Give the labels of a part."""
    return folder / f"{part}_labels.npy"


def model(name: str) -> Path:
    return MODELS / f"{name}.safetensors"


def history(name: str) -> Path:
    return HISTORIES / f"{name}.csv"


class OfTraining(NamedTuple):
    """What a training writes; the checkpoint stays until it has ended."""

    model: Path
    history: Path
    checkpoint: Path


def of_training(name: str) -> OfTraining:
    return OfTraining(model(name), history(name), CHECKPOINTS / f"{name}.safetensors")


def layers(name: str) -> Path:
    """Give the table of a system's layers."""
    return LAYERS / f"{name}.json"


def scores(name: str) -> Path:
    return EVALUATED / f"{name}.json"


def log_probabilities(name: str) -> Path:
    """Give the logarithms of the class probabilities of the test images."""
    return EVALUATED / f"{name}.npy"


def model_again(run: str) -> Path:
    """Give the model of a run, as in base-1: a system and the seed it was trained with."""
    return SEEDS_DATA / f"models/{run}.safetensors"


def of_training_again(run: str) -> OfTraining:
    return OfTraining(model_again(run), SEEDS_DATA / f"histories/{run}.csv", CHECKPOINTS / f"{run}.safetensors")


def scores_again(run: str) -> Path:
    return SEEDS_DATA / f"evaluated/{run}.json"


def correct_again(run: str) -> Path:
    """Tell which test images a run has right."""
    return SEEDS_DATA / f"evaluated/{run}.npy"
