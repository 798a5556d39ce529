"""Where everything lies, from the project's root."""

from pathlib import Path

RAW = Path("data/raw")
INGESTED = Path("data/ingested")
SPLIT = Path("data/split")
AUGMENTED = Path("data/augmented")
HISTORIES = Path("data/histories")
EVALUATED = Path("data/evaluated")
PREDICTED = Path("data/predicted")
MODELS = Path("models")
METRICS = Path("metrics")
PLOTS = Path("plots")

FINAL = "final"  # the name that the final model goes by among the variants


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


def scores(name: str) -> Path:
    return EVALUATED / f"{name}.json"


def probabilities(name: str) -> Path:
    """Give the class probabilities of the test images."""
    return EVALUATED / f"{name}.npy"
