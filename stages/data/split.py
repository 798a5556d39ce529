"""Split the labelled images into training, validation and test images, under data/split.

python -m stages.data.split

labelled_images.npy, labelled_labels.npy: all labelled images except those of an official test set. parts.npy: their
parts, see `fashion.images.split.split`. test_images.npy, test_labels.npy: the images that the figures are of: of the
official test set, or those that some member is tested on. samples.csv: rows for the labelled images, in their order,
and for an official test set; `group` is the same for images that stay together.
"""

import re
from collections import Counter

import numpy as np

from fashion.errors import InputError
from fashion.files import read_json, write_array, write_rows
from fashion.images.groups import NO_PAIRS, join_groups
from fashion.images.near_copies import near_copies
from fashion.images.parts import Part, any_member, read_images, read_samples
from fashion.images.split import split, stratified_subset
from fashion.params import Params
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    settings = params.split
    images, labels = read_images(paths.INGESTED, "train")
    test_images, test_labels = read_images(paths.INGESTED, "test")
    samples = read_samples(paths.INGESTED)
    labelled, official = samples[: len(images)], samples[len(images) : len(images) + len(test_images)]
    tables = [sample["group"] or sample["file"] for sample in labelled]
    matches = match_groups([sample["file"] for sample in labelled], settings.group_from)
    groups = [match or table for match, table in zip(matches, tables, strict=True)]
    pairs = NO_PAIRS
    if settings.near_duplicates == "group":
        pairs, _ = near_copies(images, least=params.audit.least_correlation)
        print(f"split: {len(pairs)} pairs of near copies are kept together where parts are drawn", flush=True)
    together = join_groups(
        numbers(tables),
        numbers([match or sample["file"] for match, sample in zip(matches, labelled, strict=True)]),
        numbers([sample["first_copy"] for sample in labelled]),
        pairs=pairs,
    )
    parts = split(
        labels,
        settings,
        classes=read_json(paths.ABOUT)["classes"],
        has_test=len(test_images) > 0,
        given=[sample["part"] for sample in labelled],
        groups=together,
    )
    tested = any_member(parts, Part.TEST)
    if len(tested):
        if len(test_images):
            print(f"split: {len(test_images)} official test images are not used, see split.scheme in params.yaml")
        test_images, test_labels, official = images[tested], labels[tested], []
    else:
        kept = stratified_subset(test_labels, settings.at_most)
        test_images, test_labels = test_images[kept], test_labels[kept]
        official = [official[index] | {"part": "test"} for index in np.arange(len(official))[kept]]
    for name, part_images, part_labels in (("labelled", images, labels), ("test", test_images, test_labels)):
        write_array(paths.images(paths.SPLIT, name), part_images)
        write_array(paths.labels(paths.SPLIT, name), part_labels)
    write_array(paths.PARTS, parts)
    names = part_names(parts)
    _, first, joined = np.unique(together, return_index=True, return_inverse=True)
    rows = [
        row | {"part": part, "group": groups[first[number]]}
        for row, part, number in zip(labelled, names, joined, strict=True)
    ] + official
    write_rows(paths.SPLIT / "samples.csv", rows)
    for part, count in Counter(row["part"] for row in rows).items():
        print(f"split: {count} images: {part}", flush=True)


def match_groups(files: list[str], pattern: str | None) -> list[str | None]:
    """Give what `split.group_from`, or its first group in parentheses, matches in each file; None if nothing."""
    if pattern is None:
        return [None] * len(files)
    matches = [re.search(pattern, file) for file in files]
    groups = [match and (match[min(1, match.re.groups)] or None) for match in matches]
    if not any(groups):
        raise InputError(
            f"params.yaml: split.group_from: {pattern!r} matches no file, such as {files[0]!r}; expected a "
            "pattern for paths below data/raw"
        )
    unmatched = groups.count(None)
    if unmatched:
        print(f"split: split.group_from matches all files but {unmatched}, each of which is a group of its own")
    return groups


def numbers(names: list[str]) -> np.ndarray:
    """Number names: equal ones have the same number."""
    return np.unique(names, return_inverse=True)[1]


def part_names(parts: np.ndarray) -> list[str]:
    """Name the part of each labelled image: train, validation, test or unused; with folds, the fold that tests it."""
    if len(parts) == 1:
        return [Part(part).name.lower() for part in parts[0]]
    held_out = Part.TEST if (parts == Part.TEST).any() else Part.VALIDATION
    is_held_out = parts == held_out
    return [
        f"fold {member + 1}" if used else "unused"
        for member, used in zip(is_held_out.argmax(0), is_held_out.any(0), strict=True)
    ]


if __name__ == "__main__":
    run_stage(main)
