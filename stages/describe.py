"""List the layers of each system as params.yaml has it, untrained: data/layers/NAME.json."""

import paths
from entry import run
from fashion.files import read_json, write_json
from fashion.networks.building import families
from fashion.params import Params
from fashion.results.layers import layer_table
from fashion.settings.fields import FINAL
from fashion.settings.system import System


def main(params: Params) -> None:
    systems: dict[str, System] = {**params.variants, FINAL: params.model.at_size(params.model.size)}
    about = read_json(paths.ABOUT)
    for name, system in systems.items():
        size = system.input.side(about["content"])
        try:
            model = families.build(system.family, system.arguments, image_size=size, num_classes=len(about["classes"]))
        except ValueError:  # its training says so, and all others are described
            write_json(paths.layers(name), [])
        else:
            write_json(paths.layers(name), layer_table(model, size))
    print(f"describe: the layers of {len(systems)} systems in {paths.LAYERS}", flush=True)


if __name__ == "__main__":
    run(main)
