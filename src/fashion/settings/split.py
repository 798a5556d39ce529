"""Section `split`."""

from typing import Literal

from fashion.settings.fields import Count, Fraction, Index, Strict


class SplitSettings(Strict):
    """scheme: `official` keeps the official test set and takes validation images, stratified, from the others.

    `fractions` draws test and validation from all labelled images but the official test set, class by class; data that
    have no test set are always split so.
    validation: images, or a share of them (official). test_fraction, validation_fraction: shares of each class.
    at_most: images that each part keeps, for a first look; null keeps all.
    """

    scheme: Literal["official", "fractions"]
    random_state: Index
    validation: Count | Fraction
    test_fraction: Fraction
    validation_fraction: Fraction
    at_most: Count | None = None
