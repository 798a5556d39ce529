"""Names, and value types with their limits, shared by settings and by the signatures of model families.

The signature of a family's `build` is its schema, so these names are what its annotations are made of.
"""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FINAL = "final"
"""What the final model is called among the variants."""

Count = Annotated[int, Field(ge=1, le=10_000_000)]
"""A positive whole number: units, channels, epochs, images. The limit tells a slip of the keyboard from a wish."""

Index = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A whole number from 0, of 32 bits: a seed, a padding."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A probability of dropping: 0 drops nothing, 1 is excluded."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive real number."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A real number from 0."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A share of a whole, neither none nor all of it."""

Scaling = Literal["pixels", "unit", "standard"]
"""What grey levels become for a network: 0-255 as they are, 0-1, or mean 0 and deviation 1."""

Views = Literal["one", "three", "six"]
"""How a trained model looks at an image: as it is; also moved by a pixel; also mirrored, each of the three."""

MOST_CLASSES = 1000

CONTROL = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of what breaks lines, steers terminals, or cannot be written as UTF-8."""


def check_class_name(name: str) -> str:
    """Raise ValueError for a name that would break a line of a table or steer a terminal."""
    if not name.strip() or any(unicodedata.category(character) in CONTROL for character in name):
        raise ValueError("a class needs a name, in one line and without control characters")
    return name


Classes = Annotated[
    list[Annotated[str, AfterValidator(check_class_name)]], Field(min_length=2, max_length=MOST_CLASSES)
]
"""Names of classes, in the order of their numbers from 0."""


class Strict(BaseModel):
    """A group of settings: unknown keys and wrong types are refused, nothing is converted but int to float."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
