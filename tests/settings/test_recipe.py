"""Adapt the settings of the final model to the number and size of the images."""

import pytest
from pydantic import ValidationError

from clone import ROOT
from fashion.params import check
from fashion.settings.model import MIN_BATCH_SIZE, REFERENCE_IMAGES, Augmentation, Corruption, FinalModel
from fashion.settings.parsing import load_yaml


@pytest.fixture(scope="module")
def model() -> FinalModel:
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    return params.model.at_size("large")


def test_many_images_of_28_pixels_do_not_change_the_settings(model: FinalModel) -> None:
    for num_images in (REFERENCE_IMAGES, 50_000):
        assert model.for_images(num_images, 28) == model


@pytest.mark.parametrize("num_images", [200, 1000, 5000])
def test_fewer_images_get_as_many_steps_with_smaller_batches_and_lower_learning_rates(
    model: FinalModel, num_images: int
) -> None:
    adapted = model.for_images(num_images, 28)
    reference, phase = model.phases["main"], adapted.phases["main"]
    steps = phase.max_epochs * num_images / adapted.batch_size
    assert steps == pytest.approx(reference.max_epochs * REFERENCE_IMAGES / model.batch_size, rel=0.05)
    assert adapted.batch_size < model.batch_size
    assert phase.lr / reference.lr == pytest.approx((adapted.batch_size / model.batch_size) ** 0.5)
    assert phase.pruning is None
    assert phase.validate_every == phase.max_epochs


def test_the_batch_size_has_a_minimum(model: FinalModel) -> None:
    assert model.for_images(10, 28).batch_size == MIN_BATCH_SIZE


def test_shifts_and_cutouts_keep_their_proportion_to_the_image(model: FinalModel) -> None:
    augmentation = model.for_images(50_000, 56).phases["main"].augmentation
    assert augmentation is not None
    assert (augmentation.shift, augmentation.cutout) == (4, 12)


def test_large_images_get_fewer_epochs(model: FinalModel) -> None:
    assert model.for_images(50_000, 64).phases["main"].max_epochs == model.phases["main"].max_epochs / 2


def test_the_corruption_of_the_model_replaces_that_of_all_phases(model: FinalModel) -> None:
    corruption = Corruption(share=0.5, noise=30.0)
    changed = model.model_copy(update={"corruption": corruption}).at_size("large")
    assert [phase.augmentation.corruption for phase in changed.phases.values() if phase.augmentation] == [
        corruption
    ] * 2


def test_a_model_without_corruption_keeps_that_of_its_phases(model: FinalModel) -> None:
    own = Corruption(share=0.2, contrast=0.5)
    main, finetune = model.phases.values()
    phases = {
        "main": main.model_copy(update={"augmentation": Augmentation(corruption=own)}),
        "finetune": finetune.model_copy(update={"augmentation": None}),
    }
    changed = model.model_copy(update={"corruption": None, "phases": phases}).at_size("large")
    assert [phase.augmentation and phase.augmentation.corruption for phase in changed.phases.values()] == [own, None]


def test_a_corruption_without_any_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="give at least one of rotation, contrast, noise"):
        Corruption(share=0.3)


@pytest.mark.parametrize(("mirror", "views"), [(True, "six"), (False, "three")])
def test_images_are_flipped_and_mirrored_views_are_used_only_if_mirror_is_true(
    model: FinalModel, mirror: bool, views: str
) -> None:
    changed = model.model_copy(update={"mirror": mirror}).at_size("large")
    assert {phase.augmentation.flip for phase in changed.phases.values() if phase.augmentation} == {mirror}
    assert changed.allowed_views() == views
