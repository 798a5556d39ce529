"""Names, and value types with their limits, shared by settings and by the signatures of model families.

The signature of a family's `build` is its schema, so these names are what its annotations are made of.
"""

import re
from typing import Annotated, Literal, TypeVar

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

Side = Annotated[int, Field(ge=1, le=1024)]
"""Pixels a side of a square image."""

MOST_LAYERS = 100

Depth = Annotated[int, Field(ge=1, le=MOST_LAYERS)]
"""A number of layers."""

Item = TypeVar("Item")

Layers = Annotated[list[Item], Field(max_length=MOST_LAYERS)]
"""A value for each layer."""

Views = Literal["one", "three", "six"]
"""How a trained model looks at an image: as it is; also moved by a pixel; also mirrored, each of the three."""

MOST_CLASSES = 1000

MOST_CHARACTERS = 255
"""Of a name: as many as most file systems allow a file."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What breaks lines, steers terminals, or cannot be written as UTF-8: Unicode's categories Cc, Zl, Zp, Cs."""

FORMULA = re.compile(r"\s*(=.*\w|[+\-@].*[(!|#'])")
"""What a spreadsheet would compute or fetch in place of a name. Symbols alone and numbers it shows as they are."""


def check_name(name: str) -> str:
    """Raise ValueError for a name of a class or an image that does harm where a table or a terminal shows it."""
    if not name.strip() or len(name) > MOST_CHARACTERS or CONTROL.search(name):
        raise ValueError(f"a name is 1 to {MOST_CHARACTERS} characters in one line, without control characters")
    if FORMULA.match(name):
        raise ValueError("a spreadsheet would take this name for a formula; begin it with another character")
    return name


Name = Annotated[str, AfterValidator(check_name)]


def check_different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice; names must differ")
    return names


Classes = Annotated[list[Name], Field(min_length=2, max_length=MOST_CLASSES), AfterValidator(check_different)]
"""Names of classes, in the order of their numbers from 0."""


class Strict(BaseModel):
    """A group of settings: unknown keys and wrong types are refused, nothing is converted but int to float."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
