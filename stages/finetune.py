"""Train the final model at its size, phase by phase: models/final.safetensors and data/histories/final.csv."""

import paths
from entry import run
from fashion.files import read_array, read_json
from fashion.params import Params
from fashion.settings.fields import FINAL
from fashion.settings.system import TrainSettings
from fashion.training.system import train_system


def main(params: Params) -> None:
    finetune(params, params.finetune, paths.of_training(FINAL))


def finetune(params: Params, settings: TrainSettings, places: paths.OfTraining) -> None:
    about = read_json(paths.ABOUT)
    images = read_array(paths.images(paths.DATA / params.model.images, "train"))
    system = params.model.at_size(params.model.size).for_images(len(images), about["content"])
    train_system(
        system,
        settings,
        classes=about["classes"],
        content=about["content"],
        enlarge=about["enlarge"],
        images=paths.DATA / system.images,
        model=places.model,
        history=places.history,
        checkpoint=places.checkpoint,
        where="model",
        views=params.model.views_allowed(),
    )


if __name__ == "__main__":
    run(main)
