"""List the layers of each system, untrained: data/layers/NAME.json.

python -m stages.results.describe
"""

from fashion.files import read_json, write_json
from fashion.networks.building import factory
from fashion.params import Params
from fashion.results.layers import layer_table
from fashion.settings.fields import FINAL
from fashion.settings.frame import read_frame
from fashion.settings.model import System
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    systems: dict[str, System] = {**params.variants, FINAL: params.model.at_size(params.model.size)}
    frame, classes = read_frame(paths.ABOUT), read_json(paths.ABOUT)["classes"]
    for name, system in systems.items():
        image_shape = (frame.channels, *system.input.input_size(*frame.input_part()))
        try:
            model = factory.build_network(
                system.family, system.arguments, image_shape=image_shape, num_classes=len(classes)
            )
        except ValueError:  # invalid settings: the training of this system reports the error
            write_json(paths.layers(name), [])
        else:
            write_json(paths.layers(name), layer_table(model, image_shape))
    print(f"describe: the layers of {len(systems)} systems in {paths.LAYERS}", flush=True)


if __name__ == "__main__":
    run_stage(main)
