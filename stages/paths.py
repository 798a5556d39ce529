"""The place of every file, relative to the project's root."""

from pathlib import Path

from fashion.errors import InputError

DATA = Path("data")
RAW = DATA / "raw"
INGESTED = DATA / "ingested"
ABOUT = INGESTED / "about.json"  # class names, and the frame of the images
NOTES = INGESTED / "notes.json"  # also on images to be labelled, which no training may depend on
AUDIT = DATA / "audit"
SPLIT = DATA / "split"
PARTS = SPLIT / "parts.npy"  # of the labelled images, for each member
AUGMENTED = DATA / "augmented"
WEIGHTS = DATA / "weights"  # of pretrained networks
EMBEDDED = DATA / "embedded"
COPIES = 4  # of each image in it, one after the other; the first is the image itself
HISTORIES = DATA / "histories"
EVALUATED = DATA / "evaluated"
LAYERS = DATA / "layers"
PREDICTED = DATA / "predicted"
TRAIN_PREDICTIONS = PREDICTED / "train.npy"  # labels and predictions of some training images
MODELS = Path("models")
CHECKPOINTS = Path("checkpoints")  # of trainings that have not ended; no output of a stage
METRICS = Path("metrics")
SYSTEM_METRICS = METRICS / "systems"  # a file for each system, which `dvc metrics` compares
PLOTS = Path("plots")
REPORT = Path("report.html")
DURATIONS = Path("benchmarks/durations.json")  # of the run that made the results in git

SEEDS = Path("seeds")  # the graph of trainings with other seeds: dvc.yaml, dvc.lock, list, results
SEEDS_LIST = SEEDS / "params.yaml"
SEEDS_RESULTS = METRICS / "seeds.json"  # a copy of seeds/seeds.json for the report, see seeds/dvc.yaml
SEEDS_DURATIONS = Path("logs/seeds_durations.json")  # expected, for the order of the runs
SEEDS_DATA = DATA / "seeds"


def images(folder: Path, part: str) -> Path:
    """Give the images of a part: train, test or unlabelled of data/ingested, labelled or test of data/split."""
    return folder / f"{part}_images.npy"


def labels(folder: Path, part: str) -> Path:
    """Give the labels of a part."""
    return folder / f"{part}_labels.npy"


def layers(name: str) -> Path:
    """Give the table of a system's layers."""
    return LAYERS / f"{name}.json"


# A run is a system's name, as `base`, or a name and another seed, as `base-1`, with files under data/seeds/.


def split_run(run: str) -> tuple[str, int | None]:
    """Split a run into the system's name and its own seed, if it has one; InputError for a malformed seed.

    >>> split_run("base-1"), split_run("base")
    (('base', 1), ('base', None))
    """
    name, dash, seed = run.partition("-")
    if dash and not seed.isdecimal():
        raise InputError(
            f"{run}: no name of a run; expected a system, such as base, or a system and a seed, as in base-1"
        )
    return name, int(seed) if dash else None


def has_own_seed(run: str) -> bool:
    return split_run(run)[1] is not None


def model(run: str) -> Path:
    return (SEEDS_DATA / "models" if has_own_seed(run) else MODELS) / f"{run}.safetensors"


def history(run: str) -> Path:
    return (SEEDS_DATA / "histories" if has_own_seed(run) else HISTORIES) / f"{run}.csv"


def checkpoint(run: str, training: str = "") -> Path:
    """Give the checkpoint of a training: "", `fold 2` or `refit`."""
    return CHECKPOINTS / f"{run}{'.' if training else ''}{training.replace(' ', '')}.safetensors"


def scores(run: str) -> Path:
    return (SEEDS_DATA / "evaluated" if has_own_seed(run) else EVALUATED) / f"{run}.json"


def system_metrics(name: str) -> Path:
    """Give the accuracies and the macro F1 of a system."""
    return SYSTEM_METRICS / f"{name}.json"


def log_probabilities(name: str) -> Path:
    """Give the log-probabilities of the test images, N x classes."""
    return EVALUATED / f"{name}.npy"


def correct(run: str) -> Path:
    """Give which test images a run with its own seed classifies correctly, N booleans."""
    return SEEDS_DATA / f"evaluated/{run}.npy"
