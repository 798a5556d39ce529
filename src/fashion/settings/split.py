"""Section `split`."""

from typing import Literal

from fashion.settings.fields import Count, Fraction, Index, Strict


class SplitSettings(Strict):
    """scheme: `official` keeps the official test set and takes validation images, stratified, from the others.

    `fractions` draws test and validation from all labelled images but the official test set; CSV data, which have
    no test set, are always split so.
    validation: images (official). test_fraction, validation_fraction: shares of the whole (fractions).
    """

    scheme: Literal["official", "fractions"]
    random_state: Index
    validation: Count
    test_fraction: Fraction
    validation_fraction: Fraction
