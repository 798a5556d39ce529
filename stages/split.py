"""Divide the labelled images into training, validation and test, under data/split."""

import paths
from entry import run
from fashion.files import read_array, read_json, write_array
from fashion.images.split import some_of_each, split
from fashion.params import Params


def main(params: Params) -> None:
    images = read_array(paths.images(paths.INGESTED, "train"))
    labels = read_array(paths.labels(paths.INGESTED, "train"))
    test_images = read_array(paths.images(paths.INGESTED, "test"))
    test_labels = read_array(paths.labels(paths.INGESTED, "test"))
    classes = read_json(paths.ABOUT)["classes"]
    parts = split(labels, params.split, classes=classes, has_test=len(test_images) > 0)
    if parts.test is not None:
        test_images, test_labels = images[parts.test], labels[parts.test]
    for part, part_images, part_labels in (
        ("train", images[parts.train], labels[parts.train]),
        ("validation", images[parts.validation], labels[parts.validation]),
        ("test", test_images, test_labels),
    ):
        kept = some_of_each(part_labels, params.split.at_most)
        write_array(paths.images(paths.SPLIT, part), part_images[kept])
        write_array(paths.labels(paths.SPLIT, part), part_labels[kept])
        print(f"split: {len(part_labels[kept])} {part} images", flush=True)


if __name__ == "__main__":
    run(main)
