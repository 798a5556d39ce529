"""Train the final model at its size, phase by phase: models/final.safetensors and data/histories/final.csv."""

from entry import run
from fashion.settings.params import Params
from fashion.settings.system import FINAL
from training import train_system


def main(params: Params) -> None:
    model = params.model.at_size(params.model.size)
    train_system(FINAL, "model", model, params.finetune, params.classes, params.model.views)


if __name__ == "__main__":
    run(main)
