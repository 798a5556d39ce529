"""Train one variant: models/NAME.safetensors and data/histories/NAME.csv."""

from entry import run
from fashion.errors import InputError
from fashion.settings.params import Params
from fashion.settings.parsing import suggest
from training import train_system


def main(params: Params, name: str) -> None:
    if name not in params.variants:
        raise InputError(f"params.yaml: variants: there is no variant {name!r}{suggest(name, params.variants)}")
    variant = params.variants[name]
    train_system(name, f"variants.{name}", variant, params.train, params.classes)


if __name__ == "__main__":
    run(main)
