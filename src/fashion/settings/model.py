"""Types of the sections `train`, `finetune`, `model` and `variants`: a family, its arguments, inputs and training."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fashion.settings.fields import (
    Count,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    Rate,
    Scaling,
    Side,
    Strict,
    TestTimeAugmentation,
    expect,
)
from fashion.settings.frame import MAX_SIDE, MIN_SIDE, enlarged_side

REFERENCE_SIDE = 28  # settings are made for images of this many pixels a side
EMBEDDED = "embedded/"
ImageFolder = Annotated[
    str,
    Field(pattern=f"^(split|augmented|{EMBEDDED}[a-zA-Z][a-zA-Z0-9_]*)$"),
    expect(f"split, augmented, or {EMBEDDED}NAME with a name of the section embed"),
]


class InputSettings(Strict):
    """How images are prepared for a network.

    size: pixels of the longer side; `auto` takes the content of the images, without their margin. Margin beyond `size`
    is cropped, and images of another size are resized to it. at_most: `auto` shrinks images to this longer side; a
    network with linear layers would have too many weights for large images.
    scaling: `pixels` keeps 0 to 255, `unit` divides by 255, `standard` gives the training images mean 0 and standard
    deviation 1.
    """

    size: Side | Literal["auto"]
    at_most: Side | None = None
    scaling: Scaling

    def input_size(self, height: int, width: int) -> list[int]:
        """Give height and width of the network's input, in pixels, for images with content of this height and width.

        `auto` enlarges small images: the shorter side has `MIN_SIDE` pixels or more, whatever `at_most` says. The
        longer side of an enlarged image has at most `MAX_SIDE` pixels, unless the shorter side needs more.
        """
        shorter, longer = sorted((height, width))
        if self.size != "auto":
            factor = self.size / longer
        elif self.at_most is None or longer <= self.at_most:
            factor = enlarged_side(shorter) / shorter
            if factor > 1:
                factor = max(min(factor, MAX_SIDE / longer), MIN_SIDE / shorter)
        else:
            factor = max(self.at_most / longer, MIN_SIDE / shorter)
        return [max(1, round(length * factor)) for length in (height, width)]


class Corruption(Strict):
    """Corrupt a random part of the training images, each with one of the given kinds, chosen at random.

    share: fraction of the images. max_rotation: in degrees, to either side. min_contrast: as a fraction of the
    original. max_noise_std: standard deviation of Gaussian noise, in levels of 255. The strength
    is drawn for each image, as in TrivialAugment (arXiv 2103.10158). A share of 0 is the same as no corruption.
    """

    share: Annotated[float, Field(ge=0, le=1)]
    max_rotation: Annotated[float, Field(gt=0, le=180)] | None = None
    min_contrast: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_noise_std: Annotated[float, Field(gt=0, le=255)] | None = None

    @model_validator(mode="after")
    def check_not_empty(self) -> Self:
        if self.max_rotation is None and self.min_contrast is None and self.max_noise_std is None:
            raise ValueError("give at least one of max_rotation, min_contrast, max_noise_std")
        return self


class Augmentation(Strict):
    """Random changes to each image of a batch.

    shift: largest shift, in pixels, in each direction. flip: mirror left to right in every second epoch. cutout: side
    of a square filled with background, in pixels; 0 for none. corruption: see `Corruption`. In params.yaml, pixels are
    those of images of `REFERENCE_SIDE` pixels a side: see `System.for_size`.
    """

    shift: NonNegativeInt = 0
    flip: bool = False
    cutout: NonNegativeInt = 0
    corruption: Corruption | None = None


class SamplePruning(Strict):
    """Skip easy examples, as in InfoBatch (Qin et al., arXiv 2303.04947).

    In each epoch except the first and the last ones, a random fraction `drop_rate` of the easy examples is skipped;
    easy are the fraction `easy_share` of all examples with the lowest loss when last seen. The easy examples that
    remain get a larger weight, which keeps the sum of the gradients of an epoch.
    unpruned_tail: fraction of the epochs, at the end, that use all examples.
    """

    easy_share: Fraction
    drop_rate: Fraction
    unpruned_tail: Fraction


class Phase(Strict):
    """A phase of a training: optimiser, learning-rate schedule, augmentation and stopping rule.

    optimizer: `adamw` decays weights by themselves, apart from the gradients, and no biases.
    schedule: factor of lr by batch: `constant`; `linear`, from lr to 0; `cosine`, the same in half a wave; `triangle`,
    from 0.23 lr up to lr, then down to 0.07 lr.
    warmup: fraction of the batches in which lr rises from 0 to what `schedule` says.
    layer_decay: factor of lr from each layer to the one before it, so that the first layers change the least.
    freeze: whether to train the head alone, with BatchNorm's statistics of the other layers fixed.
    clip_norm: the gradients are scaled down to this norm, of all together; null for never.
    ema: the weights that are validated and kept are a running mean over the batches, in which the old mean counts so
    much, and less in the first batches; 0 for the weights themselves.
    bias_lr_multiplier: factor of lr for biases, those of BatchNorm included; their weight decay is divided by it.
    lookahead_every: number of batches after which the weights are set to their running mean; 0 for never.
    max_epochs: number of epochs, unless `train.max_epochs` or `finetune.max_epochs` replaces it.
    validate_every: epochs between validations; the last epoch always ends with one.
    patience: validations without a better accuracy, or the same with a lower loss, after which the phase ends; null for
    no early stopping.
    """

    optimizer: Literal["adam", "adamw", "sgd"]
    lr: PositiveFloat
    schedule: Literal["constant", "linear", "cosine", "triangle"] = "constant"
    warmup: Rate = 0.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    freeze: bool = False
    clip_norm: PositiveFloat | None = None
    ema: Rate = 0.0
    momentum: Rate = 0.0
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0
    bias_lr_multiplier: PositiveFloat = 1.0
    label_smoothing: Rate = 0.0
    lookahead_every: NonNegativeInt = 0
    augmentation: Augmentation | None = None
    sample_pruning: SamplePruning | None = None
    max_epochs: Count
    validate_every: Count = 1
    patience: Count | None = None


class System(Strict):
    """A model family with its arguments, and all settings of its training.

    image_folder: the folder under `data/` with the training images: `split`; `augmented`, with four copies of each; or
    `embedded/NAME`, with features of the images instead, of the entry of `embed`: then only the head is trained.
    phases: by name, in order; each starts from the best weights of those before. None if nothing is trained, as with a
    head of nearest neighbours.
    """

    family: str
    arguments: dict[str, Any]
    image_folder: ImageFolder
    input: InputSettings
    batch_size: Count
    phases: dict[str, Phase]

    def for_size(self, height: int, width: int) -> Self:
        """Give the system for images of another size than `REFERENCE_SIDE`: shifts and cutouts keep their proportion.

        An image that is not square counts as a square of its area; a long one as one of twice its shorter side, or a
        cutout could hide all of its height.
        """
        factor = min((height * width) ** 0.5, 2 * min(height, width)) / REFERENCE_SIDE

        def scaled(phase: Phase) -> Phase:
            old = phase.augmentation
            if old is None:
                return phase
            lengths = {"shift": round(old.shift * factor), "cutout": round(old.cutout * factor)}
            return phase.model_copy(update={"augmentation": old.model_copy(update=lengths)})

        return self.model_copy(update={"phases": {name: scaled(phase) for name, phase in self.phases.items()}})


def name_classes(weights: Any) -> Any:
    """Take numbers for names of classes: YAML reads `0: 2.0` with a number."""
    return {str(name): weight for name, weight in weights.items()} if isinstance(weights, dict) else weights


ClassWeights = Annotated[
    Literal["none", "balanced"] | dict[str, PositiveFloat],
    BeforeValidator(name_classes),
    expect("none, balanced, or a factor for each of some classes"),
]
ChooseBy = Literal["accuracy", "balanced_accuracy", "loss"]


class TrainSettings(Strict):
    """Settings shared by all trainings of a section.

    max_epochs: number of epochs of each phase, in place of the phase's own; null keeps that.
    threads: CPU threads. They are part of the result, since 1 and 2 threads round differently.
    class_weights: factor of the loss by class: `none`; `balanced`, inverse to the number of training images of the
    class; or a mapping from names of classes, 1 for those that it leaves out. The mean factor of the images is 1.
    choose_by: how epochs are compared on validation images: `accuracy`, `balanced_accuracy`, the mean of the recalls of
    the classes, or `loss`, weighted as in training.
    """

    max_epochs: Count | None
    threads: Annotated[Count, Field(le=1024)]
    precision: Literal["auto", "bf16", "fp32"]
    seed: NonNegativeInt
    class_weights: ClassWeights = "none"
    choose_by: ChooseBy = "accuracy"


class ComparisonColumns(Strict):
    """Columns of the comparison that have no effect on the training.

    baseline: the variant to compare with; both are drawn in one group. reported: the published accuracy.
    """

    baseline: str | None = None
    reported: Annotated[float, Field(gt=0, le=1)] | None = None


class Variant(System, ComparisonColumns):
    """An entry of `variants`."""


class Size(Strict):
    """A size of the final model: arguments of the family, and the number of epochs by phase."""

    arguments: dict[str, Any]
    max_epochs: dict[str, Count]


REFERENCE_IMAGES = 20_000  # the recipe of the final model is made for this many training images or more
MIN_BATCH_SIZE = 32  # BatchNorm needs enough images for its statistics


class FinalModel(System, ComparisonColumns):
    """The section `model`.

    dropout: peak dropout rate, passed to the family beside its arguments. size: which of `sizes` to train.
    mirror: whether an image mirrored left to right has the same class, as with clothes, but not with letters. Replaces
    `flip` in the augmentation of all phases.
    refit: whether to train once more at the end, on training and validation images together, or with folds on all
    labelled images, for as many epochs as were best before; that model predicts new images.
    corruption: see `Corruption`; replaces that of all phases; null keeps theirs.
    test_time_augmentation: the views of each image over which a prediction is averaged: `none`, the image; `shift`,
    also the image shifted by a pixel, in two directions; `shift_and_flip`, also the mirror images of these three, if
    `mirror` is true.
    """

    dropout: Rate
    size: str
    sizes: dict[str, Size]
    mirror: bool = False
    refit: bool = False
    corruption: Corruption | None = None
    test_time_augmentation: TestTimeAugmentation = "none"

    def at_size(self, size: str) -> Self:
        """Give the model with the arguments and numbers of epochs of a size."""
        arguments = {**self.arguments, **self.sizes[size].arguments, "dropout": self.dropout}
        phases = dict(self.phases)
        for name, epochs in self.sizes[size].max_epochs.items():
            phases[name] = phases[name].model_copy(update={"max_epochs": epochs})
        shared: dict[str, Any] = {"flip": self.mirror}
        if self.corruption is not None:
            shared["corruption"] = self.corruption
        for name, phase in phases.items():
            augmentation = (phase.augmentation or Augmentation()).model_copy(update=shared)
            phases[name] = phase.model_copy(update={"augmentation": augmentation})
        return self.model_copy(update={"arguments": arguments, "phases": phases})

    def for_images(self, num_images: int, height: int, width: int) -> Self:
        """Adapt the recipe to the number of training images, see `for_number`, and their size, see `for_size`."""
        return self.for_number(num_images).for_size(height, width)

    def for_number(self, num_images: int) -> Self:
        """Adapt the recipe to fewer training images than `REFERENCE_IMAGES`.

        docs/your_own_data.md gives the reasons. With fewer images, the batch size is divided and the number of epochs
        multiplied by the square root of the ratio, which keeps the number of steps; learning rates are multiplied by
        the square root of the ratio of the batch sizes; pruning is off; and only the last epoch of a phase is
        validated, since the best of many validations on few images is mostly luck.
        """
        ratio = max(REFERENCE_IMAGES / num_images, 1.0)
        batch_size = max(round(self.batch_size / ratio**0.5), min(MIN_BATCH_SIZE, self.batch_size))

        def adapted(phase: Phase) -> Phase:
            epochs = max(round(phase.max_epochs * ratio**0.5), 1)
            changes: dict[str, Any] = {"max_epochs": epochs}
            if ratio > 1:
                lr = phase.lr * (batch_size / self.batch_size) ** 0.5
                changes |= {"lr": lr, "sample_pruning": None, "validate_every": epochs}
            return phase.model_copy(update=changes)

        phases = {name: adapted(phase) for name, phase in self.phases.items()}
        return self.model_copy(update={"batch_size": batch_size, "phases": phases})

    def allowed_augmentation(self) -> TestTimeAugmentation:
        """Give the augmentation to predict with: mirrored images only if `mirror` is true."""
        flip = self.test_time_augmentation == "shift_and_flip"
        return "shift" if flip and not self.mirror else self.test_time_augmentation
