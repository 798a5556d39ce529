"""How the recipe of the final model follows from the data."""

import pytest
from pydantic import ValidationError

from clone import ROOT
from fashion.params import check
from fashion.settings.parsing import load_yaml
from fashion.settings.system import LEAST_BATCH, MANY, Augmentation, Corruption, FinalModel


@pytest.fixture(scope="module")
def model() -> FinalModel:
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    return params.model.at_size("large")


def test_many_images_of_the_usual_size_are_learned_by_the_recipe_as_it_is(model: FinalModel) -> None:
    for images in (MANY, 50_000):
        assert model.for_images(images, 28) == model


@pytest.mark.parametrize("images", [200, 1000, 5000])
def test_fewer_images_are_learned_in_as_many_steps_in_smaller_batches_at_lower_rates(
    model: FinalModel, images: int
) -> None:
    few = model.for_images(images, 28)
    whole, phase = model.phases["main"], few.phases["main"]
    steps = phase.max_epochs * images / few.batch_size
    assert steps == pytest.approx(whole.max_epochs * MANY / model.batch_size, rel=0.05)
    assert few.batch_size < model.batch_size
    assert phase.lr / whole.lr == pytest.approx((few.batch_size / model.batch_size) ** 0.5)
    assert phase.pruning is None
    assert phase.validate_every == phase.max_epochs


def test_batches_keep_enough_images_for_batch_norm(model: FinalModel) -> None:
    assert model.for_images(10, 28).batch_size == LEAST_BATCH


def test_shifts_and_holes_keep_their_part_of_an_image(model: FinalModel) -> None:
    augmentation = model.for_images(50_000, 56).phases["main"].augmentation
    assert augmentation is not None
    assert (augmentation.shift, augmentation.cutout) == (4, 12)


def test_large_images_get_fewer_epochs(model: FinalModel) -> None:
    assert model.for_images(50_000, 64).phases["main"].max_epochs == model.phases["main"].max_epochs / 2


def test_every_phase_corrupts_images_as_the_model_says(model: FinalModel) -> None:
    corruption = Corruption(share=0.5, noise=30.0)
    changed = model.model_copy(update={"corruption": corruption}).at_size("large")
    assert [phase.augmentation.corruption for phase in changed.phases.values() if phase.augmentation] == [
        corruption
    ] * 2


def test_a_model_without_corruption_leaves_it_to_its_phases(model: FinalModel) -> None:
    own = Corruption(share=0.2, contrast=0.5)
    main, finetune = model.phases.values()
    phases = {
        "main": main.model_copy(update={"augmentation": Augmentation(corruption=own)}),
        "finetune": finetune.model_copy(update={"augmentation": None}),
    }
    changed = model.model_copy(update={"corruption": None, "phases": phases}).at_size("large")
    assert [phase.augmentation and phase.augmentation.corruption for phase in changed.phases.values()] == [own, None]


def test_a_corruption_of_no_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="give at least one of rotation, contrast, noise"):
        Corruption(share=0.3)


@pytest.mark.parametrize(("mirror", "views"), [(True, "six"), (False, "three")])
def test_images_are_flipped_and_judged_mirrored_where_they_may_be_mirrored_alone(
    model: FinalModel, mirror: bool, views: str
) -> None:
    changed = model.model_copy(update={"mirror": mirror}).at_size("large")
    assert {phase.augmentation.flip for phase in changed.phases.values() if phase.augmentation} == {mirror}
    assert changed.views_allowed() == views
