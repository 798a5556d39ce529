"""Section `split`: training, validation and test images."""

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator

from fashion.settings.fields import Count, Fraction, NonNegativeInt, Strict


def check_path(name: str) -> str:
    """Raise ValueError unless `name` is the path of a table below a folder."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".csv":
        raise ValueError("expected the path of a .csv file below data/raw, such as split.csv")
    return name


TablePath = Annotated[str, AfterValidator(check_path)]


class SplitSettings(Strict):
    """How the labelled images are split.

    scheme: `official` keeps the official test set and draws stratified validation images from the other images.
    `fractions` draws test and validation images of each class from all images except the official test set.
    Validation images that are given (data/raw/val, or `file`) are kept by both.
    file: a table below data/raw with the columns `id` and `part`, which gives the part of each labelled image: train,
    validation or test, the official test set, which is then kept by both schemes; null draws the parts.
    random_state: the seed of the draws.
    validation: number of validation images, or their fraction (official).
    test_fraction, validation_fraction: fractions of each class (fractions).
    at_most: number of images that each part keeps, for a quick trial; null keeps all.
    """

    scheme: Literal["official", "fractions"]
    file: TablePath | None = None
    random_state: NonNegativeInt
    validation: Count | Fraction
    test_fraction: Fraction
    validation_fraction: Fraction
    at_most: Count | None = None
