"""Where everything lies, from the project's root."""

from pathlib import Path

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


def checkpoint(name: str) -> Path:
    """Give where a training keeps its state until it has ended."""
    return CHECKPOINTS / f"{name}.safetensors"


def layers(name: str) -> Path:
    """Give the table of a system's layers."""
    return LAYERS / f"{name}.json"


def scores(name: str) -> Path:
    return EVALUATED / f"{name}.json"


def log_probabilities(name: str) -> Path:
    """Give the logarithms of the class probabilities of the test images."""
    return EVALUATED / f"{name}.npy"
