"""Names, and value types with their limits, shared by settings and by the signatures of model families.

The signature of a family's `build` is its schema, so these names are what its annotations are made of.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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

Views = Literal["one", "six"]
"""How a trained model looks at an image: as it is, or also moved by a pixel and mirrored."""


class Strict(BaseModel):
    """A group of settings: unknown keys and wrong types are refused, nothing is converted but int to float."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
