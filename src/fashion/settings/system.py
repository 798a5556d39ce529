"""What `params.yaml` says of one system: a model family with its arguments, its inputs and its training."""

from typing import Annotated, Any, Literal

from pydantic import Field

from fashion.settings.fields import Count, Index, NonNegative, Positive, Rate, Strict

FINAL = "final"  # what the final model is called among the variants

Images = Literal["split", "augmented"]
Scaling = Literal["pixels", "unit", "standard"]


class InputSettings(Strict):
    """How a system wants its images.

    size: pixels a side; padding beyond it is cropped off again.
    scaling: `pixels` leaves 0-255, `unit` divides by 255, `standard` makes the training images' mean 0 and deviation 1.
    """

    size: Count
    scaling: Scaling


class Phase(Strict):
    """One stretch of a training: an optimiser, how its rate goes, and when to stop.

    schedule: `constant`, or `linear`: the rate falls with each batch, from lr to 0 at the end of the budget.
    max_epochs: the budget, unless `train.max_epochs` or `finetune.max_epochs` replaces it.
    patience: epochs without a better validation accuracy before stopping; null never stops early.
    """

    optimizer: Literal["adam", "sgd"]
    lr: Positive
    schedule: Literal["constant", "linear"] = "constant"
    momentum: Rate = 0.0
    weight_decay: NonNegative = 0.0
    max_epochs: Count
    patience: Count | None = None


class System(Strict):
    """A family with its arguments, and all that decides its training.

    images: the copy under `data/` to learn from, `split` or `augmented`.
    phases: by name, in order; each starts from the best weights so far.
    """

    family: str
    arguments: dict[str, Any]
    images: Images
    input: InputSettings
    batch_size: Count
    phases: Annotated[dict[str, Phase], Field(min_length=1)]


class TrainSettings(Strict):
    """What all trainings share.

    max_epochs: epochs a phase at most, in place of what each phase says; null leaves that.
    threads: CPU threads; part of the result, since 1 and 2 threads round differently.
    """

    max_epochs: Count | None
    threads: Count
    precision: Literal["auto", "bf16", "fp32"]
    seed: Index


class Listed(Strict):
    """What stands beside a system in the comparison and decides nothing in its training.

    baseline: the variant to compare it with; its group is drawn together. reported: its published accuracy.
    """

    baseline: str | None = None
    reported: Annotated[float, Field(gt=0, le=1)] | None = None


class Variant(System, Listed):
    """An entry of `variants`."""


class FinalModel(System, Listed):
    """The entry `model`. dropout: the peak rate, handed to the family beside its arguments."""

    dropout: Rate
