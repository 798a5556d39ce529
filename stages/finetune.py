"""Train the final model at its size, phase by phase: models/final.safetensors and data/histories/final.csv."""

import paths
from entry import run
from fashion.params import Params
from fashion.settings.fields import FINAL
from fashion.training.system import train_system


def main(params: Params) -> None:
    model = params.model.at_size(params.model.size)
    train_system(
        model,
        params.finetune,
        params.classes,
        images=paths.DATA / model.images,
        model=paths.model(FINAL),
        history=paths.history(FINAL),
        where="model",
        views=params.model.views,
    )


if __name__ == "__main__":
    run(main)
