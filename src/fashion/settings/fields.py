"""Types of single settings, with their limits, for sections of `params.yaml` and for signatures of model families.

The signature of a family's `build` is the schema of its arguments, and its annotations are these types.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WrapValidator

FINAL = "final"
"""The final model's name in tables, plots and file names, beside those of the variants."""

Count = Annotated[int, Field(ge=1, le=10_000_000)]
"""A number of units, channels, epochs or images, from 1. The limit catches typing errors."""

NonNegativeInt = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A whole number from 0, of 32 bits: a seed, a padding."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A dropout rate, momentum or label smoothing: from 0, below 1."""

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]

NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A fraction between 0 and 1, both excluded."""

Scaling = Literal["pixels", "unit", "standard"]
"""Scaling of grey levels for a network: unchanged, 0 to 255; 0 to 1; or mean 0 and standard deviation 1."""

LARGEST_SIDE = 1024

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
"""Height or width of an image, in pixels."""

Size = Annotated[list[Side], Field(min_length=2, max_length=2)]
"""Height and width of an image, in pixels."""

MAX_LAYERS = 100

Depth = Annotated[int, Field(ge=1, le=MAX_LAYERS)]
"""A number of layers."""

Item = TypeVar("Item")

Layers = Annotated[list[Item], Field(max_length=MAX_LAYERS)]
"""A list with one value for each layer."""

TestTimeAugmentation = Literal["none", "shift", "shift_and_flip"]
"""Views of an image in prediction: the image; also shifted by a pixel, in two directions; also mirrored, all three."""

MAX_CLASSES = 1000

MAX_NAME_LENGTH = 255
"""Characters of a name; most file systems allow as many."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Line breaks, control characters of terminals, and surrogates, which UTF-8 cannot encode: Unicode's Cc, Zl, Zp, Cs."""

FORMULA = re.compile(r"\s*(=.*\w|[+\-@].*[(!|#'])")
"""A name that a spreadsheet would run as a formula. It shows symbols without operands, and numbers, as they are."""


def check_name(name: str) -> str:
    """Raise ValueError for a name of a class or image that would harm a reader of a table or a terminal."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH or CONTROL.search(name):
        raise ValueError(f"a name is 1 to {MAX_NAME_LENGTH} characters in one line, without control characters")
    if FORMULA.match(name):
        raise ValueError("a spreadsheet would take this name for a formula; begin it with another character")
    return name


Name = Annotated[str, AfterValidator(check_name)]


def check_unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice; names must be unique")
    return names


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A checksum of a file."""

Classes = Annotated[list[Name], Field(min_length=2, max_length=MAX_CLASSES), AfterValidator(check_unique)]
"""Names of classes, by label from 0."""


def expect(description: str) -> WrapValidator:
    """Describe all choices of a setting of several types in one message, in place of one for each type."""

    def check(value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(f"expected {description}") from None

    return WrapValidator(check)


class Strict(BaseModel):
    """A group of settings. Unknown keys and wrong types are errors; only int is converted, to float."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
