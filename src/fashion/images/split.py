"""Divide the labelled images into training, validation and test."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from fashion.errors import InputError
from fashion.settings.split import SplitSettings


@dataclass
class Parts:
    """Positions of training, validation and test images; test is None where the official test set is kept."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None


def split(labels: np.ndarray, settings: SplitSettings, *, has_test: bool) -> Parts:
    """Draw the parts. InputError when there are too few images."""
    positions = np.arange(len(labels))
    if settings.scheme == "official" and has_test:
        if settings.validation >= len(labels):
            raise InputError(
                f"params.yaml: split.validation: {settings.validation} of {len(labels)} labelled images "
                "leave none to train on"
            )
        try:
            train, validation = train_test_split(
                positions, test_size=settings.validation, stratify=labels, random_state=settings.random_state
            )
        except ValueError as error:
            raise InputError(f"params.yaml: split.validation: cannot stratify: {error}") from None
        return Parts(train, validation, None)
    rest = 1 - settings.test_fraction
    if settings.validation_fraction >= rest:
        raise InputError(
            "params.yaml: split.validation_fraction: with split.test_fraction it leaves nothing to train on"
        )
    try:
        # Two draws, test first, as in write-up 000.
        others, test = train_test_split(positions, test_size=settings.test_fraction, random_state=settings.random_state)
        share = round(settings.validation_fraction / rest, 12)
        train, validation = train_test_split(others, test_size=share, random_state=settings.random_state)
    except ValueError:
        raise InputError(
            f"{len(labels)} labelled images are too few to split into training, validation and test"
        ) from None
    return Parts(train, validation, test)
