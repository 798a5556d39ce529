"""Train a system from files to files."""

from pathlib import Path

from fashion.classifier.file import save
from fashion.errors import InputError
from fashion.files import read_array, write_rows
from fashion.settings.fields import Views
from fashion.settings.system import System, TrainSettings
from fashion.training.checkpoint import Checkpoint
from fashion.training.learning import Callbacks, Labelled, learn
from fashion.training.progress import TrainingProgress


def train_system(
    system: System,
    settings: TrainSettings,
    *,
    classes: list[str],
    content: int,
    enlarge: bool,
    images: Path,
    model: Path,
    history: Path,
    checkpoint: Path,
    where: str,
    views: Views = "one",
) -> None:
    """Train a system on the training and validation images in a folder; write its model and its history.

    content, enlarge: see `Frame`. checkpoint: a file from which the training goes on if it was killed, and which is
    gone when it has ended. where: the system's place in params.yaml, for what InputError says.
    """
    train, validation = labelled(images, "train"), labelled(images, "validation")
    progress = TrainingProgress(model.stem)
    kept = Checkpoint(checkpoint, progress.note)
    try:
        classifier, rows = learn(
            system,
            settings,
            train,
            validation,
            classes=classes,
            content=content,
            enlarge=enlarge,
            views=views,
            callbacks=Callbacks(progress.on_step, progress.on_epoch),
            checkpoint=kept,
        )
    except ValueError as error:
        raise InputError(f"params.yaml: {where}: {error}") from None
    except KeyboardInterrupt:
        if kept.usable:
            progress.note(f"the next run goes on from {checkpoint}")
        raise
    save(classifier, model)
    write_rows(history, rows)
    kept.remove()
    progress.finish(max(row["val_accuracy"] for row in rows))


def labelled(folder: Path, part: str) -> Labelled:
    return Labelled(read_array(folder / f"{part}_images.npy"), read_array(folder / f"{part}_labels.npy"))
