"""Train the final model with another seed, as in final-1: its model and its history, in data/seeds/."""

import paths
from entry import run as run_stage
from fashion.params import Params
from finetune import finetune


def main(params: Params, run: str) -> None:
    settings = params.finetune.model_copy(update={"seed": int(run.rpartition("-")[2])})
    finetune(params, settings, paths.of_training_again(run))


if __name__ == "__main__":
    run_stage(main)
