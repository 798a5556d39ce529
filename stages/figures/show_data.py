"""Draw the data: samples, classes, pixels, split and augmentation, in plots/data.

python -m stages.figures.show_data
"""

import numpy as np

from fashion.files import read_array, read_json, write_json
from fashion.images.parts import Part, any_member, indices_of, read_images
from fashion.params import Params
from fashion.results.figures import data
from fashion.results.figures.style import legible_classes, save
from stages import paths
from stages.entry import run_stage

MAX_FOLDS = 5  # shown one by one; there may also be a test set


def main(params: Params) -> None:
    folder, classes = paths.PLOTS / "data", read_json(paths.ABOUT)["classes"]
    names = legible_classes(classes)
    labelled_images, labelled_labels = read_images(paths.SPLIT, "labelled")
    parts = read_array(paths.PARTS)
    test_labels = read_images(paths.SPLIT, "test")[1]
    trained_on = indices_of(parts, Part.TRAIN)[0]
    images, labels = labelled_images[trained_on], labelled_labels[trained_on]
    by_part = {
        "train": labels,
        "validation": labelled_labels[indices_of(parts, Part.VALIDATION)[0]],
        "test": test_labels,
    }
    if len(parts) > 1:
        by_part = labels_by_fold(parts, labelled_labels) | ({} if (parts == Part.TEST).any() else {"test": test_labels})
    unlabelled = len(read_array(paths.images(paths.INGESTED, "unlabelled")))
    counts = {part: len(part_labels) for part, part_labels in by_part.items()}
    copies = read_array(paths.images(paths.AUGMENTED, "labelled"))
    copies = copies[: paths.COPIES * len(labelled_labels)].reshape(-1, paths.COPIES, *copies.shape[1:])[trained_on[:8]]
    figures = {
        "samples.png": data.draw_samples(images, labels, names),
        "split.svg": data.draw_split({**counts, "unlabelled": unlabelled}, counts),
        "pixels.svg": data.draw_pixels(images),
        "classes.svg": data.draw_classes(by_part, classes),
        "class_samples.png": data.draw_class_samples(images, labels, names),
        "augmentation.png": data.draw_augmentation(copies.reshape(-1, *copies.shape[2:]), params.augment.crop),
    }
    about = {
        "images": {
            "train": len(labels),
            "validation": len(indices_of(parts, Part.VALIDATION)[0]),
            "test": len(test_labels),
            "unlabelled": unlabelled,
        },
        "labelled": len(labelled_labels),
        "folds": len(parts) if len(parts) > 1 else 0,
        "tested_in_folds": len(parts) > 1 and bool((parts == Part.TEST).any()),
        **dict(zip(("channels", "height", "width"), images.shape[1:], strict=True)),
        "notes": read_json(paths.NOTES),
    }
    write_json(folder / "counts.json", about)
    for name, figure in figures.items():
        save(figure, folder / name)
    print(f"show_data: {len(figures)} figures in {folder}", flush=True)


def labels_by_fold(parts: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Give the labels of each fold: of the images that a member is tested on, or if there are none, validated on.

    More than `MAX_FOLDS` folds are put together, since their columns would not fit into a figure.
    """
    held_out = Part.TEST if (parts == Part.TEST).any() else Part.VALIDATION
    if len(parts) > MAX_FOLDS:
        return {f"all {len(parts)} folds": labels[any_member(parts, held_out)]}
    return {f"fold {number}": labels[chosen] for number, chosen in enumerate(indices_of(parts, held_out), 1)}


if __name__ == "__main__":
    run_stage(main)
