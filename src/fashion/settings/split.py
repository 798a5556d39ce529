"""Section `split`: training, validation and test images."""

from typing import Annotated, Literal

from pydantic import Field

from fashion.settings.fields import Count, Fraction, NonNegativeInt, Strict


class SplitSettings(Strict):
    """How the labelled images are split.

    scheme: `official` keeps the official test set and draws stratified validation images from the other images.
    `fractions` draws test and validation images of each class from all images except the official test set.
    Validation images that are given (data/raw/val, or `file`) are kept by both.
    file: a table below data/raw with the columns `id` and `part`, which gives the part of each labelled image: train,
    validation or test, the official test set; null draws the parts.
    random_state: the seed of the draws.
    validation: number of validation images, or their fraction (official).
    test_fraction, validation_fraction: fractions of each class (fractions).
    at_most: number of images that each part keeps, for a quick trial; null keeps all.
    """

    scheme: Literal["official", "fractions"]
    file: Annotated[str, Field(pattern=r"^[^/\\:][^\\:]*\.csv$")] | None = None
    random_state: NonNegativeInt
    validation: Count | Fraction
    test_fraction: Fraction
    validation_fraction: Fraction
    at_most: Count | None = None
