"""Write four copies of each labelled image under data/augmented: original, flip, zoom, flipped zoom.

python -m stages.data.augment
"""

import numpy as np

from fashion.errors import InputError
from fashion.files import read_json, write_array, write_array_in_parts
from fashion.images.copies import augment
from fashion.images.parts import read_images
from fashion.params import Params
from stages import paths
from stages.entry import run_stage

CHUNK = 1_024_000  # pixels at a time: reusing the same memory halves the time


def main(params: Params) -> None:
    background = read_json(paths.ABOUT)["frame"]["background"]
    images, labels = read_images(paths.SPLIT, "labelled")
    step = max(CHUNK // images[0, 0].size, 1)
    starts = range(0, len(images), step)
    chunks = (
        augment(images[start : start + step], crop=params.augment.crop, background=background) for start in starts
    )
    shape = (paths.COPIES * len(images), *images.shape[1:])
    try:
        write_array_in_parts(paths.images(paths.AUGMENTED, "labelled"), chunks, shape=shape)
    except ValueError as error:
        raise InputError(f"params.yaml: {error}") from None
    write_array(paths.labels(paths.AUGMENTED, "labelled"), np.repeat(labels, paths.COPIES))
    print(f"augment: {shape[0]} images", flush=True)


if __name__ == "__main__":
    run_stage(main)
