"""Draw images by the features of a pretrained network: plots/embedding/NAME*, data/audit/similar_NAME.csv.

python -m stages.figures.show_embedding NAME    an entry of `embed` in params.yaml

A map of the labelled images, with similar ones side by side; mistakes of the final model on test images, beside the
labelled images most similar to each; and the most similar pairs of labelled images, which may be near copies.
"""

import numpy as np

from fashion.files import read_array, read_json, write_rows, write_text
from fashion.images.parts import Part, any_member, read_images, read_samples, read_test_samples
from fashion.params import Params
from fashion.results.embedding import lay_out, most_similar, most_similar_pairs
from fashion.results.figures.embedding import (
    MAX_MISTAKES,
    MAX_PAIRS,
    MAX_SIMILAR,
    draw_map,
    draw_pairs,
    draw_similar_to_mistakes,
)
from fashion.results.figures.style import legible_classes, save
from fashion.results.metrics import mistakes_by_confidence
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage

MAX_POINTS = 1000  # on the map, each with its image: 1 MB
MAX_LISTED = 1000  # pairs
COLUMNS = ("similarity", "file", "class", "other_file", "other_class")


def main(_: Params, name: str) -> None:
    images, labels = read_images(paths.SPLIT, "labelled")
    features = np.asarray(read_array(paths.images(paths.EMBEDDED / name, "labelled")))
    samples, classes = read_samples(paths.SPLIT)[: len(labels)], read_json(paths.ABOUT)["classes"]
    names, files = legible_classes(classes), [sample["file"] for sample in samples]
    folder = paths.PLOTS / "embedding"
    chosen = np.linspace(0, len(labels), min(len(labels), MAX_POINTS), endpoint=False).astype(int)
    title = f"{len(chosen):,} labelled images, similar ones side by side"
    write_text(
        folder / f"{name}.svg",
        draw_map(
            lay_out(features[chosen]),
            images[chosen],
            labels[chosen],
            [files[index] for index in chosen],
            names,
            title,
        ),
    )
    show_mistakes(name, features, images, labels, files, names)
    pairs = most_similar_pairs(features)
    rows = [
        {
            **{"similarity": f"{similarity:.4f}", "file": files[one], "class": classes[labels[one]]},
            **{"other_file": files[other], "other_class": classes[labels[other]]},
        }
        for one, other, similarity in pairs[:MAX_LISTED]
    ]
    write_rows(paths.AUDIT / f"similar_{name}.csv", rows, COLUMNS)
    shown = np.array([index for pair in pairs[:MAX_PAIRS] for index in pair[:2]], int)
    figure = draw_pairs(
        images[shown],
        [names[label] for label in labels[shown]],
        [files[index] for index in shown],
        [similarity for _, _, similarity in pairs[:MAX_PAIRS]],
        len(pairs),
    )
    save(figure, folder / f"{name}_pairs.png")
    print(f"show_embedding {name}: {len(chosen)} points, {len(rows)} pairs", flush=True)


def show_mistakes(
    name: str, features: np.ndarray, images: np.ndarray, labels: np.ndarray, files: list[str], names: list[str]
) -> None:
    """Draw mistakes of the final model beside similar labelled images; of a single split, test images are left out."""
    parts = read_array(paths.PARTS)
    tested = any_member(parts, Part.TEST)
    used = parts[0] != Part.UNUSED if len(parts) > 1 else np.isin(parts[0], (Part.TRAIN, Part.VALIDATION))
    candidates = np.flatnonzero(used)
    test_images, test_labels = read_images(paths.SPLIT, "test")
    log_probabilities = np.asarray(read_array(paths.log_probabilities(FINAL)))
    mistakes = mistakes_by_confidence(test_labels, log_probabilities)[:MAX_MISTAKES]
    itself = np.searchsorted(candidates, tested[mistakes]) if len(parts) > 1 and len(tested) else None
    test_features = np.asarray(read_array(paths.images(paths.EMBEDDED / name, "test")))[mistakes]
    similar = candidates[most_similar(test_features, features[candidates], MAX_SIMILAR, itself)[0]]
    test_files = [sample["file"] for sample in read_test_samples(paths.SPLIT)]
    predicted = log_probabilities.argmax(1)
    figure = draw_similar_to_mistakes(
        test_images[mistakes],
        images[similar],
        [(names[test_labels[index]], names[predicted[index]], test_files[index]) for index in mistakes],
        [[(names[labels[index]], files[index]) for index in row] for row in similar],
    )
    save(figure, paths.PLOTS / f"embedding/{name}_mistakes.png")


if __name__ == "__main__":
    run_stage(main)
