"""Train the final model, phase by phase: models/final.safetensors and data/histories/final.csv."""

from entry import run
from fashion.settings.params import Params
from fashion.settings.system import FINAL
from training import train_system


def main(params: Params) -> None:
    arguments = {**params.model.arguments, "dropout": params.model.dropout}
    train_system(FINAL, "model", params.model, params.finetune, params.classes, arguments)


if __name__ == "__main__":
    run(main)
