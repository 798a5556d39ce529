"""Write four copies of each training and validation image under data/augmented: original, flip, zoom, flipped zoom.

python -m stages.data.augment
"""

import numpy as np

from fashion.errors import InputError
from fashion.files import read_array, read_json, write_array, write_array_in_parts
from fashion.images.copies import augment
from fashion.params import Params
from stages import paths
from stages.entry import run_stage

CHUNK = 1000  # images at a time: reusing the same memory halves the time


def main(params: Params) -> None:
    background = read_json(paths.ABOUT)["frame"]["background"]
    for part in ("train", "validation"):
        images = read_array(paths.images(paths.SPLIT, part))
        labels = read_array(paths.labels(paths.SPLIT, part))
        starts = range(0, len(images), CHUNK)
        chunks = (
            augment(images[start : start + CHUNK], crop=params.augment.crop, background=background) for start in starts
        )
        shape = (paths.COPIES * len(images), *images.shape[1:])
        try:
            write_array_in_parts(paths.images(paths.AUGMENTED, part), chunks, shape=shape)
        except ValueError as error:
            raise InputError(f"params.yaml: {error}") from None
        write_array(paths.labels(paths.AUGMENTED, part), np.repeat(labels, paths.COPIES))
        print(f"augment: {shape[0]} {part} images", flush=True)


if __name__ == "__main__":
    run_stage(main)
