"""The images of a data set as they are in data/raw: where each comes from, its class, and its part."""

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import CONTROL, MAX_CLASSES, check_name
from fashion.settings.frame import Frame
from fashion.sources.image_file import read_image
from fashion.sources.resizing import resize_and_pad, resize_and_pad_all
from fashion.sources.survey import Survey, for_each, summarize_faults, survey_arrays, survey_files

MAX_NAMED = 3  # images or classes that a sentence names
VALIDATION = ("val", "validation")  # names of a folder or table with validation images that are given
PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}  # by their names in a table


@dataclass(frozen=True)
class Sample:
    """An image: its ID, its file below data/raw or the row of a file, its class number, and its part.

    label: None for an unlabelled image. part: `train`, `validation` or `test` if that is given, `labelled` if the split
    stage draws it, or `unlabelled`.
    """

    id: str
    file: str
    label: int | None
    part: str


@dataclass
class Images:
    """Some images: a sample for each, and their files, or their levels, uint8 of N x C x H x W."""

    samples: list[Sample]
    content: list[Path] | np.ndarray

    def select(self, indices: list[int], part: str | None = None) -> "Images":
        """Give some of the images. part: a new part for all of them."""
        samples = [self.samples[index] for index in indices]
        content = self.content
        return Images(
            [replace(sample, part=part) for sample in samples] if part else samples,
            content[indices] if isinstance(content, np.ndarray) else [content[index] for index in indices],
        )

    def relabelled(self, labels: Mapping[int, int]) -> "Images":
        """Give the images of some classes, with other numbers. labels: new numbers, by those that are kept."""
        kept = self.select([index for index, sample in enumerate(self.samples) if sample.label in labels])
        samples = [replace(sample, label=labels[cast(int, sample.label)]) for sample in kept.samples]
        return Images(samples, kept.content)

    def joined(self, other: "Images") -> "Images":
        """Give these images, followed by others of the same source."""
        if not other.samples:
            return self
        if isinstance(self.content, np.ndarray):
            content: list[Path] | np.ndarray = np.concatenate([self.content, np.asarray(other.content)])
        else:
            content = [*self.content, *other.content]
        return Images([*self.samples, *other.samples], content)

    def labels(self, num_classes: int) -> np.ndarray:
        """Give the class numbers, uint8, or uint16 for more than 256 classes."""
        return np.array([sample.label for sample in self.samples], np.uint8 if num_classes <= 256 else np.uint16)

    def read(self, frame: Frame) -> np.ndarray:
        """Read the images and fit them to a frame: uint8 of N x C x height x width."""
        if isinstance(self.content, np.ndarray):
            return resize_and_pad_all(self.content, frame)
        images, faults = frame.empty(len(self.content)), []

        def fit(path: Path) -> np.ndarray:
            return resize_and_pad(read_image(path, frame), frame)

        for index, image in enumerate(for_each(fit, self.content, "reading images")):
            if isinstance(image, InputError):
                faults.append(str(image))
            else:
                images[index] = image
        if faults:
            raise InputError(summarize_faults(faults))
        return images


@dataclass
class RawData:
    """A data set before its images are read.

    classes: names, by label. notes: what the owner should know. left_out: files of classes that are left out.
    """

    labelled: Images
    test: Images
    unlabelled: Images
    classes: list[str]
    notes: list[str] = field(default_factory=list)
    left_out: frozenset[str] = frozenset()

    def samples(self) -> list[Sample]:
        """Give the samples of all images, in the order labelled, test, unlabelled."""
        return [*self.labelled.samples, *self.test.samples, *self.unlabelled.samples]

    def survey(self) -> Survey:
        """Look at all images, in the order of `samples`."""
        parts = (self.labelled.content, self.test.content, self.unlabelled.content)
        if isinstance(parts[0], np.ndarray):
            return survey_arrays(np.asarray(part) for part in parts)
        return survey_files([path for part in parts for path in part], len(parts[0]))

    def with_parts_of(self, path: Path) -> "RawData":
        """Give each labelled image the part that a table with the columns `id` and `part` has for it.

        An image is named by its ID or by its file; only by its file if its ID is that of other images, too.
        """
        parts, counts = read_parts(path), Counter(sample.id for sample in self.labelled.samples)
        given: list[str | None] = []
        missing: list[str] = []
        for sample in self.labelled.samples:
            unique = counts[sample.id] == 1
            given.append((parts.pop(sample.id, None) if unique else None) or parts.pop(sample.file, None))
            if given[-1] is None:
                missing.append(sample.id if unique else sample.file)
        if missing:
            column = "id, such as CLASS/FILE" if len(counts) == len(given) else "file, since IDs are there twice"
            raise InputError(
                f"{path}: {len(missing):,} labelled images have no row, such as {', '.join(missing[:3])}; add them; "
                f"the column id takes what data/ingested/samples.csv has in its column {column}"
            )
        if parts:
            unknown = list(parts)
            raise InputError(
                f"{path}: {len(unknown):,} IDs are of no labelled image, such as {unknown[0]!r}; remove them"
            )
        chosen = {part: [index for index, name in enumerate(given) if name == part] for part in set(PARTS.values())}
        labelled = self.labelled.select(chosen["train"], "train").joined(
            self.labelled.select(chosen["validation"], "validation")
        )
        if not chosen["train"]:
            raise InputError(f"{path}: no image has the part train; there is nothing to train on")
        test = self.test.joined(self.labelled.select(chosen["test"], "test"))
        return RawData(labelled, test, self.unlabelled, self.classes, self.notes)

    def without_small_classes(self, minimum: int) -> "RawData":
        """Leave out the classes with fewer than `minimum` labelled images, and say so in a note."""
        counts = Counter(sample.label for sample in self.labelled.samples)
        small = [name for label, name in enumerate(self.classes) if counts[label] < minimum]
        if not small:
            return self
        classes = [name for name in self.classes if name not in small]
        if len(classes) < 2:
            raise InputError(
                f"params.yaml: ingest.min_class_size: {len(classes)} of {len(self.classes)} classes have {minimum} "
                "labelled images; set it lower, or add images"
            )
        labels = {label: classes.index(name) for label, name in enumerate(self.classes) if name not in small}
        labelled, test = self.labelled.relabelled(labels), self.test.relabelled(labels)
        sizes = {name: f"{name} ({counts[label]})" for label, name in enumerate(self.classes)}
        note = (
            f"left out, since they have fewer than {minimum} labelled images (ingest.min_class_size): "
            f"{some(sizes[name] for name in small)}"
        )
        kept = RawData(labelled, test, self.unlabelled, classes, [*self.notes, note])
        left_out = {sample.file for sample in self.samples()} - {sample.file for sample in kept.samples()}
        return replace(kept, left_out=frozenset(left_out))


def read_parts(path: Path) -> dict[str, str]:
    """Read a table with the columns `id` and `part`; InputError names the line."""
    rows = read_table(path, ("id", "part"), remedy="put the table of split.file there, or set it to null")
    for line, row in enumerate(rows, 2):
        if row["part"] not in PARTS:
            raise InputError(f"{path}: line {line}: unknown part {row['part']!r}; choose from train, validation, test")
    name, count = Counter(row["id"] for row in rows).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path}: {count} rows have the id {name!r}; an image has one part")
    return {row["id"]: PARTS[row["part"]] for row in rows}


def read_table(path: Path, columns: Sequence[str], *, remedy: str) -> list[dict[str, str]]:
    """Read the rows of a CSV table that has some columns. remedy: what to do if the file cannot be opened."""
    try:
        require_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {remedy}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV table in UTF-8 ({error})") from None
    if not rows or not set(columns) <= set(rows[0]):
        raise InputError(
            f"{path}: expected the columns {' and '.join(columns)}, separated by a comma, and a row for each image"
        )
    return rows


def read_groups(path: Path, files: Sequence[str], left_out: Collection[str] = ()) -> list[str]:
    """Read a table with the columns `file` and `group`; give the group of each of some files, "" if it has no row.

    files: below data/raw, as in data/ingested/samples.csv. left_out: files that are there and not used, whose rows are
    ignored. InputError names the line.
    """
    rows = read_table(path, ("file", "group"), remedy="make it a table with the columns file and group, or remove it")
    known = {*files, *left_out}
    groups: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        name, group = row["file"], row["group"]
        if name not in known:
            raise InputError(
                f"{path}: line {line}: {name!r} is no image; expected a path below {path.parent}, such as {files[0]!r}"
            )
        if groups.setdefault(name, group) != group:
            raise InputError(f"{path}: line {line}: {name!r} has two groups; an image has one")
    return [groups.get(name, "") for name in files]


def make_rows(name: str, images: np.ndarray, labels: np.ndarray, part: str, *, first: int = 2) -> Images:
    """Make samples for the rows of a file. first: number of the first row; in a table it is line 2."""
    rows = [f"{name}:{row}" for row in range(first, first + len(images))]
    return Images([Sample(row, row, label, part) for row, label in zip(rows, labels.tolist(), strict=True)], images)


def find_validation(places: Sequence[Path]) -> Path | None:
    """Give the one of some files or folders that exists; None if none does."""
    found = [place for place in places if place.exists()]
    if len(found) > 1:
        raise InputError(f"{found[1]}: {found[0].name} is there, too; keep the validation images in one of them")
    return found[0] if found else None


def check_class_names(path: Path, names: list[str], classes: list[str] | None) -> list[str]:
    """Check the names of the classes in the data; give the classes by label.

    path: of the data, for messages. classes: those of params.yaml, by label; None takes `names`.
    """
    for name in names:
        try:
            check_name(name)
        except ValueError as error:
            raise InputError(f"{path}: {name!r}: {error}") from None
    if not 2 <= len(names) <= MAX_CLASSES:
        raise InputError(f"{path}: {len(names)} class{'' if len(names) == 1 else 'es'}; expected 2 to {MAX_CLASSES:,}")
    if classes is None:
        return names
    missing, unknown = [name for name in classes if name not in names], [name for name in names if name not in classes]
    if missing:
        raise InputError(f"{path}: no images of {missing[0]!r}, which is in `classes` in params.yaml")
    if unknown:
        raise InputError(
            f"{path}: {unknown[0]!r} is not among the `classes` in params.yaml; add it there, or remove it"
        )
    return classes


def check_file_name(path: Path, *, is_id: bool) -> None:
    """Raise InputError if the name of an image file would do harm in a table. is_id: the name is the whole ID."""
    try:
        if is_id:
            check_name(path.name)
        elif CONTROL.search(path.name):
            raise ValueError("a name is one line, without control characters")
    except ValueError as error:
        raise InputError(f"{path}: {error}; rename it") from None


def check_same_shape(path: Path, images: np.ndarray, first_path: Path, first: Any) -> None:
    """Raise InputError if images of two files have other channels, heights or widths."""
    if images.shape[1:] != first.shape[1:]:
        raise InputError(
            f"{path}: images of {format_size(images)}, but those of {first_path.name} are {format_size(first)}"
        )


def format_size(images: np.ndarray) -> str:
    channels = f", {images.shape[1]} channels" if images.shape[1] > 1 else ""
    return f"{images.shape[2]}x{images.shape[3]} pixels{channels}"


def some(items: Iterable[Sample | str]) -> str:
    """Name the first few, and say if there are more.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    names = [item if isinstance(item, str) else item.file for item in items]
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
