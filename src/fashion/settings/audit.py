"""Section `audit`: what is looked for in the data before training."""

from typing import Annotated, Literal

from pydantic import Field

from fashion.settings.fields import Strict


class AuditSettings(Strict):
    """How the data are looked through.

    least_correlation: of two images, from which they are near copies; 1 finds none.
    size: which of `model.sizes` is trained to find labels that are probably wrong, if there are no folds.
    fail_on: what makes the stage fail, for use in CI: `leaks`, copies in two parts; `contradictions`, copies with two
    classes. Near copies count.
    """

    least_correlation: Annotated[float, Field(ge=0.9, le=1)] = 0.995
    size: str = "small"
    fail_on: list[Literal["leaks", "contradictions"]] = Field(default_factory=list)
