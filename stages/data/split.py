"""Split the labelled images into training, validation and test images, under data/split.

python -m stages.data.split
"""

from fashion.files import read_array, read_json, write_array
from fashion.images.split import split, stratified_subset
from fashion.params import Params
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    images = read_array(paths.images(paths.INGESTED, "train"))
    labels = read_array(paths.labels(paths.INGESTED, "train"))
    test_images = read_array(paths.images(paths.INGESTED, "test"))
    test_labels = read_array(paths.labels(paths.INGESTED, "test"))
    classes = read_json(paths.ABOUT)["classes"]
    indices = split(labels, params.split, classes=classes, has_test=len(test_images) > 0)
    if indices.test is not None:
        test_images, test_labels = images[indices.test], labels[indices.test]
    for part, part_images, part_labels in (
        ("train", images[indices.train], labels[indices.train]),
        ("validation", images[indices.validation], labels[indices.validation]),
        ("test", test_images, test_labels),
    ):
        kept = stratified_subset(part_labels, params.split.at_most)
        write_array(paths.images(paths.SPLIT, part), part_images[kept])
        write_array(paths.labels(paths.SPLIT, part), part_labels[kept])
        print(f"split: {len(part_labels[kept])} {part} images", flush=True)


if __name__ == "__main__":
    run_stage(main)
