"""Read a data set from image folders, CSV tables or IDX files into arrays of images of one size."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion.settings.frame import Frame
from fashion.settings.ingest import IngestSettings
from fashion.sources.folder import find_in_folders
from fashion.sources.idx_files import find_in_idx
from fashion.sources.notes import describe, summarize_data
from fashion.sources.raw_data import (
    VALIDATION,
    Images,
    RawData,
    Sample,
    check_same_shape,
    find_validation,
    make_rows,
    read_groups,
)
from fashion.sources.survey import decide_frame
from fashion.sources.table import read_labelled, read_pixels

GROUPS = "groups.csv"  # images of a group, as of one patient, are never in two parts that are drawn


@dataclass
class Dataset:
    """Images, uint8 of N x C x height x width, and labels, uint8 (uint16 for more than 256 classes) of N.

    Without an official test set, N is 0 for the test images, and without images to be labelled for the unlabelled ones.
    unlabelled_ids: text of N. classes: names, by label. samples: rows of samples.csv, in the order train, test,
    unlabelled. summary, notes: sentences for the owner of the images.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    unlabelled_images: np.ndarray
    unlabelled_ids: np.ndarray
    classes: list[str]
    frame: Frame
    samples: list[dict[str, Any]]
    summary: str
    notes: list[str]


def ingest(folder: Path, settings: IngestSettings, classes: list[str] | None, split_file: str | None = None) -> Dataset:
    """Read and check the raw files in `folder`, and download missing ones; InputError for any fault.

    classes: names, by label, which the data must have; None takes them from the data. split_file: a table below
    `folder` with the part of each labelled image.
    """
    raw = find_raw_data(folder, settings, classes, split_file)
    survey = raw.survey()
    frame = decide_frame(survey, len(raw.labelled.samples), settings)
    files = [sample.file for sample in raw.samples()]
    groups = read_groups(folder / GROUPS, files, raw.left_out) if (folder / GROUPS).exists() else [""] * len(files)
    first_copies: dict[bytes, str] = {}
    samples = [
        {
            "id": sample.id,
            "file": sample.file,
            "class": "" if sample.label is None else raw.classes[sample.label],
            "part": sample.part,
            "group": group,
            "first_copy": first_copies.setdefault(facts.digest, sample.file),
            "width": facts.width,
            "height": facts.height,
            "mode": facts.mode,
        }
        for sample, group, facts in zip(raw.samples(), groups, survey.facts, strict=True)
    ]
    return Dataset(
        raw.labelled.read(frame),
        raw.labelled.labels(len(raw.classes)),
        raw.test.read(frame),
        raw.test.labels(len(raw.classes)),
        raw.unlabelled.read(frame),
        np.array([sample.id for sample in raw.unlabelled.samples], dtype=str),
        raw.classes,
        frame,
        samples,
        summarize_data(raw, survey, frame),
        describe(raw, survey, frame),
    )


@dataclass
class Description:
    """What lies in data/raw.

    summary, notes: sentences for the owner of the images. class_sizes: number of labelled images by class. side: of
    the images, the longer one, in pixels. has_test, has_validation: whether these parts are given.
    """

    summary: str
    notes: list[str]
    class_sizes: dict[str, int]
    side: int
    has_test: bool
    has_validation: bool


def describe_raw(
    folder: Path, settings: IngestSettings, classes: list[str] | None = None, split_file: str | None = None
) -> Description:
    """Look at the images in `folder` without making arrays; InputError for any fault."""
    raw = find_raw_data(folder, settings, classes, split_file)
    survey = raw.survey()
    frame = decide_frame(survey, len(raw.labelled.samples), settings)
    counts = Counter(sample.label for sample in raw.labelled.samples)
    return Description(
        summarize_data(raw, survey, frame),
        describe(raw, survey, frame),
        {name: counts[label] for label, name in enumerate(raw.classes)},
        max(frame.content_height, frame.content_width),
        bool(raw.test.samples),
        any(sample.part == "validation" for sample in raw.labelled.samples),
    )


def find_raw_data(folder: Path, settings: IngestSettings, classes: list[str] | None, split_file: str | None) -> RawData:
    """Find the images of the source that the settings name, with their classes and parts."""
    find = {"folder": find_in_folders, "csv": find_in_tables, "idx": find_in_idx}[settings.source]
    raw = find(folder, settings, classes)
    raw = raw.with_parts_of(folder / split_file) if split_file else raw
    return raw.without_small_classes(settings.min_class_size)


def find_in_tables(folder: Path, settings: IngestSettings, classes: list[str] | None) -> RawData:
    """Read train.csv and, if they are there, val.csv, test.csv and evaluate.csv."""
    validation = find_validation([folder / f"{name}.csv" for name in VALIDATION])
    classes_from = "train.csv" if classes is None else None
    images, labels, classes = read_labelled(folder / "train.csv", classes, settings.shape)
    train = make_rows("train.csv", images, labels, "labelled" if validation is None else "train")
    others = {"validation": train.select([]), "test": train.select([])}
    for part, path in (("validation", validation), ("test", folder / "test.csv")):
        if path is not None and path.exists():
            images, labels, _ = read_labelled(path, classes, settings.shape, classes_from=classes_from)
            check_same_shape(path, images, folder / "train.csv", train.content)
            others[part] = make_rows(path.name, images, labels, part)
    unlabelled = train.select([])
    if (folder / "evaluate.csv").exists():
        images, ids = read_pixels(folder / "evaluate.csv", settings.shape)
        check_same_shape(folder / "evaluate.csv", images, folder / "train.csv", train.content)
        samples = [Sample(name, f"evaluate.csv:{line}", None, "unlabelled") for line, name in enumerate(ids, 2)]
        unlabelled = Images(samples, images)
    return RawData(train.joined(others["validation"]), others["test"], unlabelled, classes)
