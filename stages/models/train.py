"""Train a system, and write models/NAME.safetensors and data/histories/NAME.csv.

python -m stages.models.train base      a variant
python -m stages.models.train final     the final model, phase by phase
python -m stages.models.train base-1    with seed 1 in place of that in params.yaml, under data/seeds/
"""

from pathlib import Path

from fashion.classifier.model_file import save
from fashion.errors import InputError
from fashion.files import read_array, read_json, write_rows
from fashion.params import Params
from fashion.settings.fields import FINAL, TestTimeAugmentation
from fashion.settings.frame import read_frame
from fashion.settings.model import System, TrainSettings
from fashion.settings.parsing import suggest
from fashion.training.checkpoint import Checkpoint
from fashion.training.progress import TrainingProgress
from fashion.training.train import LabelledImages, TrainingData, train_classifier
from stages import paths
from stages.entry import run_stage


def main(params: Params, run: str) -> None:
    name, seed = paths.split_run(run)
    if name == FINAL:
        images = read_array(paths.images(paths.DATA / params.model.image_folder, "train"))
        frame = read_frame(paths.ABOUT)
        system: System = params.model.at_size(params.model.size).for_images(
            len(images), frame.content_height, frame.content_width
        )
        settings, augmentation, key = params.finetune, params.model.allowed_augmentation(), "model"
    elif name in params.variants:
        frame = read_frame(paths.ABOUT)
        system = params.variants[name].for_size(frame.content_height, frame.content_width)
        settings, augmentation, key = params.train, "none", f"variants.{name}"
    else:
        raise InputError(f"params.yaml: variants: there is no variant {name!r}{suggest(name, params.variants)}")
    if seed is not None:
        settings = settings.model_copy(update={"seed": seed})
    train(run, system, settings, augmentation, key)


def train(run: str, system: System, settings: TrainSettings, augmentation: TestTimeAugmentation, key: str) -> None:
    """Read the images, train, and write model and history. key: of the system in params.yaml, for error messages."""
    folder = paths.DATA / system.image_folder
    validation = read_part(folder, "validation")
    step = paths.COPIES if system.image_folder == "augmented" else 1  # the first of the copies is the image itself
    data = TrainingData(
        train=read_part(folder, "train"),
        validation=validation,
        classes=read_json(paths.ABOUT)["classes"],
        frame=read_frame(paths.ABOUT),
        calibration=LabelledImages(validation.images[::step], validation.labels[::step]),
    )
    epochs = {name: settings.max_epochs or phase.max_epochs for name, phase in system.phases.items()}
    progress = TrainingProgress(run, epochs=epochs)
    checkpoint = Checkpoint(paths.checkpoint(run), progress.log)
    try:
        classifier, history = train_classifier(
            system,
            settings,
            data,
            test_time_augmentation=augmentation,
            callbacks=[progress],
            checkpoint=checkpoint,
        )
    except ValueError as error:
        raise InputError(f"params.yaml: {key}: {error}") from None
    except KeyboardInterrupt:
        if checkpoint.resumable:
            progress.log(f"the next run goes on from {checkpoint.path}")
        raise
    save(classifier, paths.model(run))
    write_rows(paths.history(run), history)
    checkpoint.remove()
    progress.finish(max(row["val_accuracy"] for row in history))


def read_part(folder: Path, part: str) -> LabelledImages:
    return LabelledImages(read_array(paths.images(folder, part)), read_array(paths.labels(folder, part)))


if __name__ == "__main__":
    run_stage(main)
