"""Train the final model at its size, phase by phase: models/final.safetensors and data/histories/final.csv."""

import paths
from entry import run
from fashion.files import read_array, read_json
from fashion.params import Params
from fashion.settings.fields import FINAL
from fashion.training.system import train_system


def main(params: Params) -> None:
    about = read_json(paths.ABOUT)
    images = read_array(paths.images(paths.DATA / params.model.images, "train"))
    model = params.model.at_size(params.model.size).for_images(len(images), about["content"])
    train_system(
        model,
        params.finetune,
        classes=about["classes"],
        content=about["content"],
        enlarge=about["enlarge"],
        images=paths.DATA / model.images,
        model=paths.model(FINAL),
        history=paths.history(FINAL),
        checkpoint=paths.checkpoint(FINAL),
        where="model",
        views=params.model.views_allowed(),
    )


if __name__ == "__main__":
    run(main)
