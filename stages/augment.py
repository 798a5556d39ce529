"""Write four copies of each training and validation image under data/augmented: original, flip, zoom, flipped zoom."""

import numpy as np

import paths
from entry import run
from fashion.errors import InputError
from fashion.files import read_array, write_array, write_array_in_parts
from fashion.images.copies import COPIES, augment
from fashion.params import Params

TOGETHER = 1000  # images: their copies take the same memory again and again, which is half the time or less


def main(params: Params) -> None:
    for part in ("train", "validation"):
        images = read_array(paths.images(paths.SPLIT, part))
        labels = read_array(paths.labels(paths.SPLIT, part))
        starts = range(0, len(images), TOGETHER)
        parts = (augment(images[start : start + TOGETHER], crop=params.augment.crop) for start in starts)
        shape = (COPIES * len(images), *images.shape[1:])
        try:
            write_array_in_parts(paths.images(paths.AUGMENTED, part), parts, shape=shape)
        except ValueError as error:
            raise InputError(f"params.yaml: {error}") from None
        write_array(paths.labels(paths.AUGMENTED, part), np.repeat(labels, COPIES))
        print(f"augment: {shape[0]} {part} images", flush=True)


if __name__ == "__main__":
    run(main)
