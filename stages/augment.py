"""Write four copies of each training and validation image under data/augmented: original, flip, zoom, flipped zoom."""

import numpy as np

import paths
from entry import run
from fashion.augment import COPIES, augment
from fashion.errors import InputError
from fashion.files import read_array, write_array
from fashion.settings.params import Params


def main(params: Params) -> None:
    for part in ("train", "validation"):
        images = read_array(paths.images(paths.SPLIT, part))
        labels = read_array(paths.labels(paths.SPLIT, part))
        try:
            copies = augment(images, crop=params.augment.crop)
        except ValueError as error:
            raise InputError(f"params.yaml: {error}") from None
        write_array(paths.images(paths.AUGMENTED, part), copies)
        write_array(paths.labels(paths.AUGMENTED, part), np.repeat(labels, COPIES))
        print(f"augment: {len(copies)} {part} images", flush=True)


if __name__ == "__main__":
    run(main)
