"""Adapt the settings of the final model to the number and size of the images."""

import pytest
from pydantic import ValidationError

from clone import ROOT
from fashion.params import check
from fashion.settings.model import (
    MIN_BATCH_SIZE,
    REFERENCE_IMAGES,
    Augmentation,
    Corruption,
    FinalModel,
    InputSettings,
    Variant,
)
from fashion.settings.parsing import load_yaml


@pytest.fixture(scope="module")
def model() -> FinalModel:
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    return params.model.at_size("large")


def test_many_images_of_28_pixels_do_not_change_the_settings(model: FinalModel) -> None:
    for num_images in (REFERENCE_IMAGES, 50_000):
        assert model.for_images(num_images, 28, 28) == model


@pytest.mark.parametrize("num_images", [200, 1000, 5000])
def test_fewer_images_get_as_many_steps_with_smaller_batches_and_lower_learning_rates(
    model: FinalModel, num_images: int
) -> None:
    adapted = model.for_images(num_images, 28, 28)
    reference, phase = model.phases["main"], adapted.phases["main"]
    steps = phase.max_epochs * num_images / adapted.batch_size
    assert steps == pytest.approx(reference.max_epochs * REFERENCE_IMAGES / model.batch_size, rel=0.05)
    assert adapted.batch_size < model.batch_size
    assert phase.lr / reference.lr == pytest.approx((adapted.batch_size / model.batch_size) ** 0.5)
    assert phase.sample_pruning is None
    assert phase.validate_every == phase.max_epochs


def test_the_batch_size_has_a_minimum(model: FinalModel) -> None:
    assert model.for_images(10, 28, 28).batch_size == MIN_BATCH_SIZE


def test_shifts_and_cutouts_keep_their_proportion_to_the_image(model: FinalModel) -> None:
    augmentation = model.for_images(50_000, 56, 56).phases["main"].augmentation
    assert augmentation is not None
    assert (augmentation.shift, augmentation.cutout) == (4, 12)


def test_shifts_and_cutouts_of_rectangular_images_follow_the_side_of_a_square_of_their_area(model: FinalModel) -> None:
    assert model.for_images(50_000, 112, 28) == model.for_images(50_000, 56, 56)


def test_a_long_image_has_the_shifts_and_cutouts_of_a_square_of_twice_its_shorter_side(model: FinalModel) -> None:
    assert model.for_images(50_000, 14, 600) == model.for_images(50_000, 28, 28)


@pytest.mark.parametrize(("side", "shift"), [(28, 2), (56, 4), (224, 16)])
def test_shifts_of_variants_keep_their_proportion_to_the_image(side: int, shift: int) -> None:
    content = load_yaml(ROOT / "src/fashion/own_images.yaml")["variants"]["cnn_shifted"]
    variant = Variant.model_validate(content).for_size(side, side)
    augmentation = variant.phases["adam"].augmentation
    assert augmentation is not None
    assert augmentation.shift == shift
    assert (variant == Variant.model_validate(content)) == (side == 28)


def test_larger_images_have_the_epochs_and_learning_rates_of_small_ones(model: FinalModel) -> None:
    large, small = (model.for_images(1000, side, side).phases["main"] for side in (224, 28))
    assert (large.max_epochs, large.lr) == (small.max_epochs, small.lr)


def test_the_corruption_of_the_model_replaces_that_of_all_phases(model: FinalModel) -> None:
    corruption = Corruption(share=0.5, max_noise_std=30.0)
    changed = model.model_copy(update={"corruption": corruption}).at_size("large")
    assert [phase.augmentation.corruption for phase in changed.phases.values() if phase.augmentation] == [
        corruption
    ] * 2


def test_a_model_without_corruption_keeps_that_of_its_phases(model: FinalModel) -> None:
    own = Corruption(share=0.2, min_contrast=0.5)
    main, finetune = model.phases.values()
    phases = {
        "main": main.model_copy(update={"augmentation": Augmentation(corruption=own)}),
        "finetune": finetune.model_copy(update={"augmentation": None}),
    }
    changed = model.model_copy(update={"corruption": None, "phases": phases}).at_size("large")
    assert [phase.augmentation and phase.augmentation.corruption for phase in changed.phases.values()] == [own, None]


def test_a_corruption_without_any_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="give at least one of max_rotation, min_contrast, max_noise_std"):
        Corruption(share=0.3)


@pytest.mark.parametrize(("mirror", "augmentation"), [(True, "shift_and_flip"), (False, "shift")])
def test_images_are_flipped_in_training_and_prediction_only_if_mirror_is_true(
    model: FinalModel, mirror: bool, augmentation: str
) -> None:
    changed = model.model_copy(update={"mirror": mirror}).at_size("large")
    assert {phase.augmentation.flip for phase in changed.phases.values() if phase.augmentation} == {mirror}
    assert changed.allowed_augmentation() == augmentation


@pytest.mark.parametrize(
    ("at_most", "content", "expected"),
    [
        (None, (28, 28), (28, 28)),
        (None, (8, 12), (24, 36)),
        (None, (200, 224), (200, 224)),
        (64, (28, 28), (28, 28)),
        (64, (64, 48), (64, 48)),
        (64, (128, 96), (64, 48)),
        (64, (20, 224), (20, 224)),  # no convolution fits 6 rows
        (64, (224, 40), (112, 20)),
        (64, (8, 100), (20, 250)),
        (None, (8, 100), (20, 250)),
        (None, (20, 400), (20, 400)),
    ],
)
def test_images_are_shrunk_to_a_longest_side_but_keep_20_pixels_of_the_shorter_one(
    at_most: int | None, content: tuple[int, int], expected: tuple[int, int]
) -> None:
    settings = InputSettings(size="auto", at_most=at_most, scaling="unit")
    assert settings.input_size(*content) == [*expected]
    assert settings.input_size(*content[::-1]) == [*expected[::-1]]
