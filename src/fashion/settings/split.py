"""Section `split`: training, validation and test images."""

import re
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fashion.settings.fields import Count, Fraction, NonNegativeInt, Strict, expect


def check_path(name: str) -> str:
    """Raise ValueError unless `name` is the path of a table below a folder."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".csv":
        raise ValueError("expected the path of a .csv file below data/raw, such as split.csv")
    return name


TablePath = Annotated[str, AfterValidator(check_path)]


def check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return text


Pattern = Annotated[str, AfterValidator(check_pattern)]
Folds = Annotated[Literal[0] | Annotated[int, Field(ge=3, le=50)], expect("0, or a number of folds from 3 to 50")]


class SplitSettings(Strict):
    """How the labelled images are split.

    scheme: `official` keeps the official test set and draws stratified validation images from the other images.
    `fractions` draws test and validation images of each class from all images except the official test set.
    Validation images that are given (data/raw/val, or `file`) are kept by both.
    folds: number of folds, each of which tests a model that is trained on the others; 0 for a single split. With
    folds, a system has as many models, its figures are over all labelled images, and the fractions are not used.
    group_from: a regular expression for the paths below data/raw; images with the same match, of its first group in
    parentheses if it has one, are never in two parts. data/raw/groups.csv (file, group) does the same; images that
    either keeps together stay together.
    near_duplicates: `show` lists near copies in the audit; `group` also keeps them in one part, as exact copies are.
    Both hold for parts that are drawn: a given test set and given validation images stay as they are.
    file: a table below data/raw with the columns `id` and `part`, which gives the part of each labelled image: train,
    validation or test, the official test set, which is then kept by both schemes; null draws the parts.
    random_state: the seed of the draws.
    validation: number of validation images, or their fraction (official).
    test_fraction, validation_fraction: fractions of each class (fractions).
    at_most: number of images that each part keeps, for a quick trial; null keeps all.
    """

    scheme: Literal["official", "fractions"]
    folds: Folds = 0
    file: TablePath | None = None
    group_from: Pattern | None = None
    near_duplicates: Literal["show", "group"] = "show"
    random_state: NonNegativeInt
    validation: Count | Fraction
    test_fraction: Fraction
    validation_fraction: Fraction
    at_most: Count | None = None
