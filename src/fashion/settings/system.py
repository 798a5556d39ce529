"""What `params.yaml` says of one system: a model family with its arguments, its inputs and its training."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fashion.settings.fields import Count, Fraction, Index, NonNegative, Positive, Rate, Scaling, Side, Strict, Views

Images = Literal["split", "augmented"]

SMALLEST = 20  # pixels a side: networks that pool need room


class InputSettings(Strict):
    """How a system wants its images.

    size: pixels a side; `auto` is that of the images without their margin. Margin beyond it is cropped off again, and
    images of another size are shrunk or enlarged to it.
    scaling: `pixels` leaves 0-255, `unit` divides by 255, `standard` makes the training images' mean 0 and deviation 1.
    """

    size: Side | Literal["auto"]
    scaling: Scaling

    def side(self, content: int) -> int:
        """Give pixels a side for images of so many, without their margin; `auto` enlarges small ones to 20 or more."""
        return content * max(-(-SMALLEST // content), 1) if self.size == "auto" else self.size


class Corruption(Strict):
    """What is done to some images, so that a network learns to bear it: to each of them one of these, chosen by chance.

    share: of the images. rotation: by up to so many degrees either way. contrast: the least part of it that is left.
    noise: Gaussian, of a deviation of up to so many of 255 grey levels. How much of it, chance decides for each image,
    after TrivialAugment (arXiv 2103.10158). A share of 0 is the same as none of this.
    """

    share: Annotated[float, Field(ge=0, le=1)]
    rotation: Annotated[float, Field(gt=0, le=180)] | None = None
    contrast: Annotated[float, Field(ge=0, lt=1)] | None = None
    noise: Annotated[float, Field(gt=0, le=255)] | None = None

    @model_validator(mode="after")
    def has_a_kind(self) -> Self:
        if self.rotation is None and self.contrast is None and self.noise is None:
            raise ValueError("give at least one of rotation, contrast, noise")
        return self


class Augmentation(Strict):
    """Random changes to each image of a batch.

    shift: by up to so many pixels each way. flip: left to right, in every second epoch. cutout: pixels a side of a
    square made black; 0 cuts none. corruption: of some images.
    """

    shift: Index = 0
    flip: bool = False
    cutout: Index = 0
    corruption: Corruption | None = None


class Pruning(Strict):
    """Leave out what is learned already (after InfoBatch, Qin et al., arXiv 2303.04947).

    In each epoch but the first and the last ones, `drop` of the `easy` share of the examples, those of the lowest loss
    when last seen, are left out at random; the other easy ones count for more, so that an epoch's gradients add up as
    before.
    full: the share of the epochs, at the end, in which nothing is left out.
    """

    easy: Fraction
    drop: Fraction
    full: Fraction


class Phase(Strict):
    """One stretch of a training: an optimiser, how its rate goes, what is done to the examples, and when to stop.

    schedule: the rate's course over the budget, by the batch: `constant`; `linear`, from lr to 0; `triangle`, up to lr
    and down to nearly 0.
    bias_rate: biases, BatchNorm's too, learn at so many times lr, with as much less weight decay.
    average: batches after which the weights are set to their running mean; 0 never.
    max_epochs: the budget, unless `train.max_epochs` or `finetune.max_epochs` replaces it.
    validate_every: epochs between validations; the last one always ends with one.
    patience: validations without a better accuracy before stopping; null never stops early.
    """

    optimizer: Literal["adam", "sgd"]
    lr: Positive
    schedule: Literal["constant", "linear", "triangle"] = "constant"
    momentum: Rate = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0
    bias_rate: Positive = 1.0
    label_smoothing: Rate = 0.0
    average: Index = 0
    augmentation: Augmentation | None = None
    pruning: Pruning | None = None
    max_epochs: Count
    validate_every: Count = 1
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
    threads: Annotated[Count, Field(le=1024)]
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


class Size(Strict):
    """What a size of the final model means: arguments of the family, and the budgets of phases by name."""

    arguments: dict[str, Any]
    max_epochs: dict[str, Count]


MANY, SIDE = 20_000, 28  # training images, and pixels a side, from which a recipe is taken as it is
WIDE = 32  # pixels a side up to which an epoch costs what it may
LEAST_BATCH = 32  # images: BatchNorm needs some


class FinalModel(System, Listed):
    """The entry `model`.

    dropout: the peak rate, handed to the family beside its arguments. size: which of `sizes` to train.
    mirror: whether an image mirrored left to right is one of the same class, as of clothes, and not of letters. If so,
    each phase flips images, whatever its augmentation says.
    corruption: what is done to some images in each phase, so that the model bears noisy, turned and flat ones; null
    leaves it to the phases' augmentations.
    views: `three` has the trained model judge each image three times, also a pixel to and fro; `six` also mirrored, if
    `mirror` allows it.
    """

    dropout: Rate
    size: str
    sizes: dict[str, Size]
    mirror: bool = False
    corruption: Corruption | None = None
    views: Views = "one"

    def at_size(self, size: str) -> Self:
        """Give the model with the arguments and budgets of a size."""
        arguments = {**self.arguments, **self.sizes[size].arguments, "dropout": self.dropout}
        phases = dict(self.phases)
        for name, epochs in self.sizes[size].max_epochs.items():
            phases[name] = phases[name].model_copy(update={"max_epochs": epochs})
        everywhere: dict[str, Any] = {"flip": self.mirror}
        if self.corruption is not None:
            everywhere["corruption"] = self.corruption
        for name, phase in phases.items():
            augmentation = (phase.augmentation or Augmentation()).model_copy(update=everywhere)
            phases[name] = phase.model_copy(update={"augmentation": augmentation})
        return self.model_copy(update={"arguments": arguments, "phases": phases})

    def for_images(self, images: int, side: int) -> Self:
        """Fit the recipe, which is for `MANY` images or more of `SIDE` pixels a side, to fewer and to other sizes.

        docs/your_own_data.md says why. Of fewer images, batches are smaller and epochs more by the root of the ratio,
        which leaves the number of steps as it was; rates are lower by the root of the batches' ratio; nothing is
        pruned, and only the end of a phase is validated, since the best of many guesses on few images is luck. Images
        over `WIDE` pixels a side get fewer epochs, since each costs more. Shifts and holes keep their part of an image.
        """
        few = max(MANY / images, 1.0)
        batch_size = max(round(self.batch_size / few**0.5), min(LEAST_BATCH, self.batch_size))
        longer = few**0.5 * min(WIDE / side, 1.0)

        def adapted(phase: Phase) -> Phase:
            augmentation, epochs = phase.augmentation, max(round(phase.max_epochs * longer), 1)
            if augmentation is not None:
                shift, cutout = (round(part * side / SIDE) for part in (augmentation.shift, augmentation.cutout))
                augmentation = augmentation.model_copy(update={"shift": shift, "cutout": cutout})
            changes = {"max_epochs": epochs, "augmentation": augmentation}
            if few > 1:
                lr = phase.lr * (batch_size / self.batch_size) ** 0.5
                changes |= {"lr": lr, "pruning": None, "validate_every": epochs}
            return phase.model_copy(update=changes)

        phases = {name: adapted(phase) for name, phase in self.phases.items()}
        return self.model_copy(update={"batch_size": batch_size, "phases": phases})

    def views_allowed(self) -> Views:
        """Give the views that the model is to be used with."""
        return "three" if self.views == "six" and not self.mirror else self.views
