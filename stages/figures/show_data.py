"""Draw the data: samples, classes, pixels, split and augmentation, in plots/data.

python -m stages.figures.show_data
"""

import numpy as np

from fashion.files import read_array, read_json, write_json
from fashion.params import Params
from fashion.results.figures import data
from fashion.results.figures.style import legible_classes, save
from stages import paths
from stages.entry import run_stage

PARTS = ("train", "validation", "test")


def main(params: Params) -> None:
    folder, classes = paths.PLOTS / "data", read_json(paths.ABOUT)["classes"]
    names = legible_classes(classes)
    images = read_array(paths.images(paths.SPLIT, "train"))
    labels = {part: np.asarray(read_array(paths.labels(paths.SPLIT, part))) for part in PARTS}
    unlabelled = len(read_array(paths.images(paths.INGESTED, "unlabelled")))
    labelled = {part: len(part_labels) for part, part_labels in labels.items()}
    copies = read_array(paths.images(paths.AUGMENTED, "train"))[: 4 * 8]  # four copies each of eight images
    figures = {
        "samples.png": data.draw_samples(images, labels["train"], names),
        "split.svg": data.draw_split({**labelled, "unlabelled": unlabelled}, labelled),
        "pixels.svg": data.draw_pixels(images),
        "classes.svg": data.draw_classes(labels, classes),
        "class_samples.png": data.draw_class_samples(images, labels["train"], names),
        "augmentation.png": data.draw_augmentation(copies, params.augment.crop),
    }
    counts = {
        "images": {**labelled, "unlabelled": unlabelled},
        **dict(zip(("channels", "height", "width"), images.shape[1:], strict=True)),
        "notes": read_json(paths.NOTES),
    }
    write_json(folder / "counts.json", counts)
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_data: {len(figures)} figures in {folder}", flush=True)


if __name__ == "__main__":
    run_stage(main)
