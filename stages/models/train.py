"""Train a system, and write models/NAME.safetensors and data/histories/NAME.csv.

python -m stages.models.train base      a variant
python -m stages.models.train final     the final model, phase by phase
python -m stages.models.train base-1    with seed 1 in place of that in params.yaml, under data/seeds/
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fashion.classifier.model_file import save
from fashion.errors import InputError
from fashion.files import read_array, read_json, write_rows
from fashion.images.parts import read_images
from fashion.params import Params
from fashion.settings.fields import FINAL, TestTimeAugmentation
from fashion.settings.frame import Frame, read_frame
from fashion.settings.model import System, TrainSettings
from fashion.settings.parsing import suggest
from fashion.training.callbacks import Callback
from fashion.training.checkpoint import Checkpoint
from fashion.training.ensemble import LabelledParts, train_ensemble
from fashion.training.progress import TrainingProgress
from stages import paths
from stages.entry import run_stage


@dataclass
class Recipe:
    """How a system is trained.

    adapt: gives the settings of the system for a number of training images. key, settings_key: where params.yaml has
    these, and `settings`.
    """

    adapt: Callable[[int], System]
    key: str
    settings: TrainSettings
    settings_key: str
    test_time_augmentation: TestTimeAugmentation = "none"
    refit: bool = False


def main(params: Params, run: str) -> None:
    name, seed = paths.split_run(run)
    frame = read_frame(paths.ABOUT)
    recipe = final_recipe(params, frame) if name == FINAL else variant_recipe(params, name, frame)
    if seed is not None:
        recipe.settings = recipe.settings.model_copy(update={"seed": seed})
    train(run, recipe, frame)


def final_recipe(params: Params, frame: Frame) -> Recipe:
    model = params.model.at_size(params.model.size)

    def adapt(num_images: int) -> System:
        return model.for_images(num_images, frame.content_height, frame.content_width)

    return Recipe(adapt, "model", params.finetune, "finetune", model.allowed_augmentation(), model.refit)


def variant_recipe(params: Params, name: str, frame: Frame) -> Recipe:
    if name not in params.variants:
        raise InputError(f"params.yaml: variants: there is no variant {name!r}{suggest(name, params.variants)}")
    variant = params.variants[name].for_size(frame.content_height, frame.content_width)
    return Recipe(lambda _: variant, f"variants.{name}", params.train, "train")


def train(run: str, recipe: Recipe, frame: Frame) -> None:
    """Read the images, train, and write model and history."""
    system, classes = recipe.adapt(1), read_json(paths.ABOUT)["classes"]
    check_class_weights(recipe, classes)
    images, labels = read_images(paths.DATA / system.image_folder, "labelled")
    copies = paths.COPIES if system.image_folder == "augmented" else 1
    data = LabelledParts(images, labels, read_array(paths.PARTS), classes, frame, copies)
    count = len(data.parts) + recipe.refit  # of trainings
    checkpoints: list[Checkpoint] = []
    started = time.monotonic()

    def watch(training: str, system: System) -> tuple[Sequence[Callback], Checkpoint]:
        replaced = None if training == "refit" else recipe.settings.max_epochs
        epochs = {name: replaced or phase.max_epochs for name, phase in system.phases.items()}
        left = count - len(checkpoints) - 1
        progress = TrainingProgress(f"{run} {training}".strip(), epochs=epochs, trainings_left=left)
        checkpoints.append(Checkpoint(paths.checkpoint(run, training), progress.log, keep_end=left > 0))
        return [progress], checkpoints[-1]

    try:
        ensemble, history = train_ensemble(
            recipe.adapt,
            recipe.settings,
            data,
            test_time_augmentation=recipe.test_time_augmentation,
            refit=recipe.refit,
            watch=watch,
        )
    except ValueError as error:
        raise InputError(f"params.yaml: {recipe.key}: {error}") from None
    except KeyboardInterrupt:
        for checkpoint in checkpoints:
            if checkpoint.resumable:
                print(f"{run}: the next run goes on from {checkpoint.path}", file=sys.stderr, flush=True)
        raise
    save(ensemble, paths.model(run))
    write_rows(paths.history(run), history)
    for checkpoint in checkpoints:
        checkpoint.remove()
    best = [row["val_accuracy"] for row in history if row["best"]][-1]
    seconds = time.monotonic() - started
    print(f"{run}: best validation accuracy {best:.4f}, {seconds:.0f} s in this run", file=sys.stderr, flush=True)


def check_class_weights(recipe: Recipe, classes: list[str]) -> None:
    """Raise InputError if the settings weight a class that the data do not have."""
    weights = recipe.settings.class_weights
    unknown = [name for name in weights if name not in classes] if isinstance(weights, dict) else []
    if unknown:
        raise InputError(
            f"params.yaml: {recipe.settings_key}.class_weights: there is no class {unknown[0]!r}"
            f"{suggest(unknown[0], classes)}"
        )


if __name__ == "__main__":
    run_stage(main)
