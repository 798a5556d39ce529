"""Split the labelled images into training, validation and test images, under data/split.

python -m stages.data.split
"""

import csv
from typing import Any

import numpy as np

from fashion.files import read_array, read_json, write_array, write_rows
from fashion.images.split import split, stratified_subset
from fashion.params import Params
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    images = read_array(paths.images(paths.INGESTED, "train"))
    labels = read_array(paths.labels(paths.INGESTED, "train"))
    test_images = read_array(paths.images(paths.INGESTED, "test"))
    test_labels = read_array(paths.labels(paths.INGESTED, "test"))
    samples = read_samples()
    labelled, official = samples[: len(images)], samples[len(images) : len(images) + len(test_images)]
    parts = [sample["part"] for sample in labelled]
    classes = read_json(paths.ABOUT)["classes"]
    indices = split(labels, params.split, classes=classes, has_test=len(test_images) > 0, parts=parts)
    if indices.test is not None:
        if len(test_images):
            print(f"split: {len(test_images)} official test images are not used, see split.scheme in params.yaml")
        test_images, test_labels = images[indices.test], labels[indices.test]
        official = [labelled[index] for index in indices.test]
    rows = []
    for part, part_images, part_labels, part_samples in (
        ("train", images[indices.train], labels[indices.train], [labelled[index] for index in indices.train]),
        (
            "validation",
            images[indices.validation],
            labels[indices.validation],
            [labelled[i] for i in indices.validation],
        ),
        ("test", test_images, test_labels, official),
    ):
        kept = stratified_subset(part_labels, params.split.at_most)
        write_array(paths.images(paths.SPLIT, part), part_images[kept])
        write_array(paths.labels(paths.SPLIT, part), part_labels[kept])
        rows += [part_samples[index] | {"part": part} for index in np.arange(len(part_samples))[kept]]
        print(f"split: {len(part_labels[kept])} {part} images", flush=True)
    write_rows(paths.SPLIT / "samples.csv", rows)


def read_samples() -> list[dict[str, Any]]:
    """Read the rows of data/ingested/samples.csv, in the order train, test, unlabelled."""
    with (paths.INGESTED / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    run_stage(main)
