"""Train a variant with another seed, as in base-1: its model and its history, in data/seeds/."""

import paths
from entry import run as run_stage
from fashion.params import Params
from train import train


def main(params: Params, run: str) -> None:
    name, _, seed = run.rpartition("-")
    settings = params.train.model_copy(update={"seed": int(seed)})
    train(params, name, settings, paths.of_training_again(run))


if __name__ == "__main__":
    run_stage(main)
