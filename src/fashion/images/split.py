"""Split the labelled images into training, validation and test images, once or in folds."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from fashion.errors import InputError
from fashion.images.parts import Part
from fashion.settings.split import SplitSettings

PARTS = (Part.TRAIN, Part.VALIDATION, Part.TEST)

# With fewer groups for each image, groups are drawn, not images: else a few copies follow the first of their group.
GROUPED = 0.9

# Folds of whole groups, which are joined to a part: more of them come nearer to a small fraction.
FEW_FOLDS, MANY_FOLDS = 10, 100


def split(
    labels: np.ndarray,
    settings: SplitSettings,
    *,
    classes: list[str],
    has_test: bool,
    given: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Give each labelled image its part, a value of `Part`, for each member: uint8 of members x N.

    Without folds there is one member. With K folds there are K: member k is tested on fold k, validated on half of the
    next fold, and trained on all others. If an official test set is kept, nothing is drawn for the test, and member k
    is validated on fold k.

    labels: of N. classes: names, by label. has_test: whether there is an official test set; it is kept if the scheme is
    `official`, or if a table gives the parts. given: of N; images that have the part `validation` are the validation
    images, and none are drawn; None if no image has it. groups: of N; images of the same number stay together where
    parts are drawn.
    InputError if there are too few images, in total or of a class.
    """
    official = settings.scheme == "official" or (settings.file is not None and has_test)
    if official and not has_test:
        raise InputError(
            "params.yaml: split.scheme: official, but there are no test images; put them into data/raw/test (or "
            "test.csv), or set it to fractions"
        )
    is_given = np.array([part == "validation" for part in given or ()], bool)
    groups = np.arange(len(labels)) if groups is None else groups
    if is_given.any():
        if settings.folds:
            raise InputError(
                "params.yaml: split.folds: the validation images are given (data/raw/val, or split.file); set it to 0, "
                "or let the folds draw them"
            )
        parts = split_with_given_validation(labels, is_given, groups, settings, classes, official=official)[None]
    elif settings.folds:
        parts = split_in_folds(labels, groups, settings, classes, official=official)
    else:
        check_fractions(labels, settings, classes, official=official)
        if is_grouped(groups):
            row = split_groups(labels, groups, settings, official=official)
        elif official:
            row = keep_together(split_with_official_test(labels, settings), groups)
        else:
            row = keep_together(split_in_fractions(labels, settings), groups)
        parts = row[None]
    check_training_classes(parts, labels, classes)
    check_parts(parts, official=official)
    return np.stack([keep_at_most(row, labels, settings.at_most) for row in parts])


def check_fractions(labels: np.ndarray, settings: SplitSettings, classes: list[str], *, official: bool) -> None:
    """Raise InputError if a single split that draws validation and test images would leave a part empty."""
    if official:
        if settings.validation >= len(labels):
            raise InputError(
                f"params.yaml: split.validation: {settings.validation} of {len(labels)} labelled images "
                "leave none to train on; set fewer, or a fraction such as 0.2"
            )
        check_present_classes(labels, classes, minimum=2, purpose="one each for training and validation")
        return
    if settings.validation_fraction >= 1 - settings.test_fraction:
        raise InputError(
            "params.yaml: split.validation_fraction: with split.test_fraction it leaves nothing to train on"
        )
    counts = np.bincount(labels, minlength=len(classes))
    check_class_counts(counts, classes, minimum=3, purpose="one each for training, validation and test")


def split_in_fractions(labels: np.ndarray, settings: SplitSettings) -> np.ndarray:
    """Draw test and validation images of each class; give the part of each image."""
    rng = np.random.default_rng(settings.random_state)
    parts = np.full(len(labels), Part.TRAIN, np.uint8)
    for label, count in enumerate(np.bincount(labels)):
        indices = rng.permutation(np.flatnonzero(labels == label))
        num_test = max(1, min(round(settings.test_fraction * count), count - 2))
        num_validation = max(1, min(round(settings.validation_fraction * count), count - num_test - 1))
        parts[indices[:num_test]] = Part.TEST
        parts[indices[num_test : num_test + num_validation]] = Part.VALIDATION
    return parts


def split_with_given_validation(
    labels: np.ndarray,
    given: np.ndarray,
    groups: np.ndarray,
    settings: SplitSettings,
    classes: list[str],
    *,
    official: bool,
) -> np.ndarray:
    """Keep the validation images that are given, and draw test images of each class; give the part of each image.

    given: whether each image is one for validation, N booleans. The other images of a group stay together. official:
    keep the official test set, and draw none.
    """
    parts = np.where(given, Part.VALIDATION, Part.TRAIN).astype(np.uint8)
    counts = np.bincount(labels[~given], minlength=len(classes))
    check_class_counts(
        counts,
        classes,
        minimum=1 if official else 2,
        purpose="for training" if official else "one each for training and test",
    )
    if official:
        return parts
    others = np.flatnonzero(~given)
    if is_grouped(groups[others]):
        check_group_count(groups[others], ("training", "test"))
        parts[others[draw_groups(labels[others], groups[others], settings.test_fraction, settings.random_state)]] = (
            Part.TEST
        )
        return parts
    rng = np.random.default_rng(settings.random_state)
    for label, count in enumerate(counts):
        indices = rng.permutation(np.flatnonzero(~given & (labels == label)))
        parts[indices[: max(1, min(round(settings.test_fraction * count), count - 1))]] = Part.TEST
    parts[others] = keep_together(parts[others], groups[others])
    return parts


def split_with_official_test(labels: np.ndarray, settings: SplitSettings) -> np.ndarray:
    """Draw stratified validation images, and no test images; give the part of each image."""
    try:
        _, validation = train_test_split(
            np.arange(len(labels)), test_size=settings.validation, stratify=labels, random_state=settings.random_state
        )
    except ValueError as error:
        raise InputError(f"params.yaml: split.validation: cannot stratify: {error}") from None
    parts = np.full(len(labels), Part.TRAIN, np.uint8)
    parts[validation] = Part.VALIDATION
    return parts


def split_groups(labels: np.ndarray, groups: np.ndarray, settings: SplitSettings, *, official: bool) -> np.ndarray:
    """Draw whole groups for validation and, unless the official test set is kept, for the test."""
    check_group_count(groups, ("training", "validation") if official else ("training", "validation", "test"))
    validation = settings.validation / len(labels) if settings.validation >= 1 else settings.validation
    parts = np.full(len(labels), Part.TRAIN, np.uint8)
    if not official:
        parts[draw_groups(labels, groups, settings.test_fraction, settings.random_state, leave=2)] = Part.TEST
        validation = settings.validation_fraction / (1 - settings.test_fraction)
    left = np.flatnonzero(parts == Part.TRAIN)
    chosen = draw_groups(labels[left], groups[left], validation, settings.random_state)
    parts[left[chosen]] = Part.VALIDATION
    return parts


def is_grouped(groups: np.ndarray) -> bool:
    """Tell whether there are so few groups that groups are drawn, not images."""
    return len(np.unique(groups)) < GROUPED * len(groups)


def check_group_count(groups: np.ndarray, purposes: Sequence[str]) -> None:
    """Raise InputError if there are fewer groups than parts. purposes: of the parts."""
    count = len(np.unique(groups))
    if count < len(purposes):
        raise too_few_groups(count, f"{', '.join(purposes[:-1])} and {purposes[-1]} need at least {len(purposes)}")


def too_few_groups(count: int, need: str) -> InputError:
    return InputError(
        f"split: the images are of {count} group{'' if count == 1 else 's'} that must stay together, and {need}; add "
        "images of other groups, make smaller groups (split.group_from, data/raw/groups.csv), or give the parts "
        "yourself (split.file)"
    )


def draw_groups(labels: np.ndarray, groups: np.ndarray, fraction: float, seed: int, leave: int = 1) -> np.ndarray:
    """Give the indices of about a fraction of the images, in whole groups, with the proportions of the classes.

    The images are divided into small folds, of which as many are joined as come nearest to the fraction. leave: number
    of folds that are left, if there are enough of them.
    """
    num_groups = len(np.unique(groups))
    count = min(max(FEW_FOLDS, min(round(1 / fraction), MANY_FOLDS)), num_groups, np.bincount(labels).max())
    folds = fold_numbers(labels, groups, count, seed) if count > 1 else np.zeros(len(labels), int)
    sizes = np.bincount(folds)
    order = [fold for fold in np.argsort(sizes, kind="stable") if sizes[fold]]  # a huge group is left to train on
    if len(order) < 2:
        raise too_few_groups(num_groups, "no class has images enough for two parts")
    shares = np.cumsum(sizes[order])[: max(1, len(order) - leave)] / len(labels)
    return np.flatnonzero(np.isin(folds, order[: np.abs(shares - fraction).argmin() + 1]))


def split_in_folds(
    labels: np.ndarray, groups: np.ndarray, settings: SplitSettings, classes: list[str], *, official: bool
) -> np.ndarray:
    """Divide the images into folds of whole groups; give the parts for each member, K x N."""
    if official:
        check_present_classes(labels, classes, minimum=3, purpose="two for validation and one for training")
    else:
        check_class_counts(
            np.bincount(labels, minlength=len(classes)),
            classes,
            minimum=4,
            purpose="two for the test, and one each for training and validation",
        )
    count = settings.folds
    if len(np.unique(groups)) < 2 * count:
        raise InputError(
            f"params.yaml: split.folds: {count} folds need {2 * count} groups of images, and there are "
            f"{len(np.unique(groups))}; set it to 0, or to fewer"
        )
    largest = np.bincount(labels).max()
    if largest < 2 * count:
        raise InputError(
            f"params.yaml: split.folds: no class has {2 * count} images, and the largest has {largest}; set it to 0, "
            f"or to at most {largest // 2}"
        )
    halves = fold_numbers(labels, groups, 2 * count, settings.random_state)  # fold k: halves 2k and 2k + 1
    parts = np.full((count, len(labels)), Part.TRAIN, np.uint8)
    for member in range(count):
        parts[member, halves // 2 == member] = Part.VALIDATION if official else Part.TEST
        if not official:
            parts[member, halves == 2 * ((member + 1) % count)] = Part.VALIDATION
    return parts


def fold_numbers(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Divide images into folds of about the same size and proportions of the classes; give the fold of each image."""
    folds = np.empty(len(labels), int)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore"):  # of classes with fewer images than there are folds
        for number, (_, chosen) in enumerate(splitter.split(labels, labels, groups)):
            folds[chosen] = number
    return folds


def keep_together(parts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Give all images of a group the part of its first."""
    _, first, group_numbers = np.unique(groups, return_index=True, return_inverse=True)
    return parts[first][group_numbers]


def check_training_classes(parts: np.ndarray, labels: np.ndarray, classes: list[str]) -> None:
    """Raise InputError if a member would have no training image of a class."""
    for row in parts:
        counts = np.bincount(labels[row == Part.TRAIN], minlength=len(classes))
        missing = [name for label, name in enumerate(classes) if not counts[label] and np.any(labels == label)]
        if missing:
            raise InputError(
                f"class {missing[0]!r}: its images are copies or of so few groups that none are left to train on; add "
                "images of other groups, or remove the class"
            )


def check_parts(parts: np.ndarray, *, official: bool) -> None:
    """Raise InputError if a member would have no image of a part. official: the test set is not drawn."""
    for part in PARTS[:2] if official else PARTS:
        if not (parts == part).any(1).all():
            raise InputError(
                f"split: no images are left for the part {Part(part).name.lower()}, since images of a group and copies "
                "stay together; add images of other groups, or set fewer folds or other fractions"
            )


def keep_at_most(parts: np.ndarray, labels: np.ndarray, at_most: int | None) -> np.ndarray:
    """Keep at most about `at_most` images of each part; the others become unused."""
    kept = np.full_like(parts, Part.UNUSED)
    for part in PARTS:
        indices = np.flatnonzero(parts == part)
        kept[indices[stratified_subset(labels[indices], at_most)]] = part
    return kept


def stratified_subset(labels: np.ndarray, at_most: int | None) -> np.ndarray | slice:
    """Choose about `at_most` images, with the same fractions of the classes, but at least one image of each class.

    Give an index into the images: the chosen indices in ascending order, or a slice of all.
    """
    if at_most is None or len(labels) <= at_most:
        return slice(None)
    by_class = np.argsort(labels, kind="stable")
    evenly_spaced = by_class[np.linspace(0, len(labels), at_most, endpoint=False).astype(int)]
    _, first_of_each = np.unique(labels, return_index=True)
    return np.union1d(evenly_spaced, first_of_each)


def check_present_classes(labels: np.ndarray, classes: list[str], *, minimum: int, purpose: str) -> None:
    """Raise InputError if a class that has labelled images has too few; others only have test images."""
    counts = np.bincount(labels, minlength=len(classes))
    present = np.flatnonzero(counts)
    check_class_counts(counts[present], [classes[label] for label in present], minimum=minimum, purpose=purpose)


def check_class_counts(counts: np.ndarray, classes: list[str], *, minimum: int, purpose: str) -> None:
    """Raise InputError if a class has fewer than `minimum` labelled images."""
    too_few = np.flatnonzero(counts < minimum)
    if len(too_few):
        label = too_few[0]
        images = f"{counts[label]} labelled image{'' if counts[label] == 1 else 's'}"
        others = f", and {len(too_few) - 1} more classes have too few" if len(too_few) > 1 else ""
        raise InputError(
            f"class {classes[label]!r} has {images} and needs {minimum}, {purpose}{others}; "
            f"add images, or set ingest.min_class_size: {minimum}, to leave out small classes"
        )
