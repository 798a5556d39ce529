"""Train one variant: models/NAME.safetensors and data/histories/NAME.csv."""

import paths
from entry import run
from fashion.errors import InputError
from fashion.files import read_json
from fashion.params import Params
from fashion.settings.parsing import suggest
from fashion.settings.system import TrainSettings
from fashion.training.system import train_system


def main(params: Params, name: str) -> None:
    train(params, name, params.train, paths.of_training(name))


def train(params: Params, name: str, settings: TrainSettings, places: paths.OfTraining) -> None:
    if name not in params.variants:
        raise InputError(f"params.yaml: variants: there is no variant {name!r}{suggest(name, params.variants)}")
    variant, about = params.variants[name], read_json(paths.ABOUT)
    train_system(
        variant,
        settings,
        classes=about["classes"],
        content=about["content"],
        enlarge=about["enlarge"],
        images=paths.DATA / variant.images,
        model=places.model,
        history=places.history,
        checkpoint=places.checkpoint,
        where=f"variants.{name}",
    )


if __name__ == "__main__":
    run(main)
