"""What the stages train and finetune share: from settings and files to a model and its history."""

from pathlib import Path

import paths
from fashion.checkpoint import save
from fashion.errors import InputError
from fashion.files import read_array, write_rows
from fashion.learning import Callbacks, Labelled, learn
from fashion.progress import TrainingProgress
from fashion.settings.system import System, TrainSettings, Views


def train_system(
    name: str,
    where: str,
    system: System,
    settings: TrainSettings,
    classes: list[str],
    views: Views = "one",
) -> None:
    """Train the system found at `where` in params.yaml; write its model and history under `name`."""
    folder = paths.DATA / system.images
    train, validation = labelled(folder, "train"), labelled(folder, "validation")
    progress = TrainingProgress(name)
    try:
        classifier, history = learn(
            system,
            settings,
            train,
            validation,
            classes=classes,
            views=views,
            callbacks=Callbacks(progress.on_step, progress.on_epoch),
        )
    except ValueError as error:
        raise InputError(f"params.yaml: {where}: {error}") from None
    save(classifier, paths.model(name))
    write_rows(paths.history(name), history)
    progress.finish(max(row["val_accuracy"] for row in history))


def labelled(folder: Path, part: str) -> Labelled:
    return Labelled(read_array(paths.images(folder, part)), read_array(paths.labels(folder, part)))
