import numpy as np
import pytest
import torch

from fashion.images.augmentation import RandomAugmentation
from fashion.settings.model import Augmentation


@pytest.fixture
def stored(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images)


def make_augmentation(num_images: int, **settings: object) -> RandomAugmentation:
    return RandomAugmentation(Augmentation.model_validate(settings), num_images, torch.Generator().manual_seed(0))


def test_an_augmentation_without_settings_changes_nothing(stored: torch.Tensor) -> None:
    assert torch.equal(make_augmentation(len(stored))(stored, torch.arange(len(stored))), stored)


def test_a_flip_mirrors_each_image_in_every_second_epoch(stored: torch.Tensor) -> None:
    indices = torch.arange(len(stored))
    augmentation = make_augmentation(len(stored), flip=True)
    first = augmentation(stored, indices)
    augmentation.next_epoch()
    second = augmentation(stored, indices)
    assert torch.equal(first.flip(2), second)
    unchanged = (first == stored).flatten(1).all(1)
    assert 0.3 < unchanged.float().mean() < 0.7
    assert torch.equal(first[~unchanged], stored[~unchanged].flip(2))


def test_a_flip_depends_on_the_index_of_the_image_and_not_on_its_place_in_the_batch(stored: torch.Tensor) -> None:
    augmentation = make_augmentation(len(stored), flip=True)
    flipped = augmentation(stored, torch.arange(len(stored)))
    indices = torch.tensor([7, 3, 250])
    assert torch.equal(augmentation(stored[indices], indices), flipped[indices])


def test_a_shift_moves_each_image_by_at_most_shift_pixels_and_fills_with_black() -> None:
    point = torch.zeros(500, 9, 9, dtype=torch.uint8)
    point[:, 4, 4] = 255
    moved = make_augmentation(500, shift=2)(point, torch.arange(500))
    assert (moved.flatten(1).sum(1) == 255).all()
    rows, columns = moved.amax(2).argmax(1), moved.amax(1).argmax(1)
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 25


def test_a_cutout_blackens_one_square_inside_each_image() -> None:
    white = torch.full((5000, 28, 28), 255, dtype=torch.uint8)
    cut = make_augmentation(5000, cutout=6)(white, torch.arange(5000)) == 0
    assert (cut.flatten(1).sum(1) == 36).all()
    assert (cut.any(2).sum(1) == 6).all()
    assert (cut.any(1).sum(1) == 6).all()
    assert cut.any(0).all()  # every place is cut at times


def test_a_cutout_larger_than_the_image_makes_it_black(stored: torch.Tensor) -> None:
    assert not make_augmentation(9, cutout=99)(stored[:9], torch.arange(9)).any()


def test_an_augmentation_does_not_change_the_stored_images(stored: torch.Tensor) -> None:
    before = stored.clone()
    make_augmentation(len(stored), shift=2, flip=True, cutout=6)(stored, torch.arange(len(stored)))
    assert torch.equal(stored, before)


def corrupt(images: torch.Tensor, **settings: object) -> torch.Tensor:
    augmentation = make_augmentation(len(images), corruption={"share": 1.0, **settings})
    return augmentation(images, torch.arange(len(images)))


def test_a_share_of_the_images_is_corrupted_by_all_kinds_alike(stored: torch.Tensor) -> None:
    kinds = {"rotation": 45.0, "contrast": 0.0, "noise": 60.0}
    for share in (0.0, 0.4):
        augmentation = make_augmentation(len(stored), corruption={"share": share, **kinds})
        changed = (augmentation(stored, torch.arange(len(stored))) != stored).flatten(1).any(1)
        assert changed.float().mean().item() == pytest.approx(share, abs=0.08)
    noisy = corrupt(stored, **kinds)[:, 0, 0] > 0  # the corners of nearly all images are black
    assert 0.15 < noisy.float().mean() < 0.7


def test_noise_has_at_most_the_given_standard_deviation() -> None:
    grey = torch.full((300, 20, 20), 128, dtype=torch.uint8)
    deviations = corrupt(grey, noise=30.0).float().flatten(1).std(1)
    assert deviations.max() < 34
    assert deviations.mean().item() == pytest.approx(15, abs=1.5)
    assert corrupt(grey, noise=30.0).float().mean().item() == pytest.approx(128, abs=0.5)


def test_noise_is_clipped_to_grey_levels() -> None:
    black, white = torch.zeros(300, 20, 20, dtype=torch.uint8), torch.full((300, 20, 20), 255, dtype=torch.uint8)
    assert corrupt(black, noise=20.0).max() < 155, "what falls below 0 is 0"
    assert corrupt(white, noise=20.0).min() > 100, "what rises above 255 is 255"


def test_contrast_keeps_the_mean_and_at_least_the_given_fraction_of_the_contrast(stored: torch.Tensor) -> None:
    reduced = corrupt(stored, contrast=0.25).float()
    before = stored.float()
    torch.testing.assert_close(reduced.mean((1, 2)), before.mean((1, 2)), atol=0.5, rtol=0)
    ratio = reduced.flatten(1).std(1) / before.flatten(1).std(1)
    assert 0.23 < ratio.min() < 0.35
    assert 0.9 < ratio.max() <= 1.01


def test_a_rotation_turns_images_by_at_most_the_given_angle_to_either_side() -> None:
    bar = torch.zeros(200, 41, 41, dtype=torch.uint8)
    bar[:, 20, 21:] = 255  # from the middle to the right
    turned = corrupt(bar, rotation=30.0).float()
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    weight = turned.sum((1, 2))
    angles = torch.atan2((turned * rows).sum((1, 2)) / weight, (turned * columns).sum((1, 2)) / weight).rad2deg()
    assert angles.abs().max() < 32
    assert angles.min() < -25
    assert angles.max() > 25
    assert angles.mean().abs() < 4


def test_a_corruption_does_not_change_the_stored_images(stored: torch.Tensor) -> None:
    before = stored.clone()
    corrupt(stored, rotation=30.0, contrast=0.2, noise=50.0)
    assert torch.equal(stored, before)


def test_all_random_numbers_come_from_the_given_generator(stored: torch.Tensor) -> None:
    corruption = {"share": 0.5, "rotation": 20.0, "contrast": 0.2, "noise": 40.0}
    changed = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        augmentation = make_augmentation(len(stored), shift=2, flip=True, cutout=6, corruption=corruption)
        changed.append(augmentation(stored, torch.arange(len(stored))))
    assert torch.equal(*changed)


def test_a_share_of_0_draws_no_random_numbers(stored: torch.Tensor) -> None:
    without, zero = (
        make_augmentation(len(stored)),
        make_augmentation(len(stored), corruption={"share": 0.0, "noise": 40.0}),
    )
    for augmentation in (without, zero):
        augmentation(stored, torch.arange(len(stored)))
    assert torch.equal(without.generator.get_state(), zero.generator.get_state())
