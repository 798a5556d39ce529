import numpy as np
import pytest
import torch

from fashion.images.random_changes import RandomAugmentation
from fashion.settings.system import Augmentation


@pytest.fixture
def stored(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images)


def changes(count: int, **settings: object) -> RandomAugmentation:
    return RandomAugmentation(Augmentation.model_validate(settings), count, torch.Generator().manual_seed(0))


def test_no_settings_change_nothing(stored: torch.Tensor) -> None:
    assert torch.equal(changes(len(stored))(stored, torch.arange(len(stored))), stored)


def test_a_flip_mirrors_each_image_in_every_second_epoch(stored: torch.Tensor) -> None:
    numbers = torch.arange(len(stored))
    augmentation = changes(len(stored), flip=True)
    first = augmentation(stored, numbers)
    augmentation.next_epoch()
    second = augmentation(stored, numbers)
    assert torch.equal(first.flip(2), second)
    as_stored = (first == stored).flatten(1).all(1)
    assert 0.3 < as_stored.float().mean() < 0.7
    assert torch.equal(first[~as_stored], stored[~as_stored].flip(2))


def test_which_image_is_mirrored_goes_with_its_number_and_not_with_its_place(stored: torch.Tensor) -> None:
    augmentation = changes(len(stored), flip=True)
    whole = augmentation(stored, torch.arange(len(stored)))
    some = torch.tensor([7, 3, 250])
    assert torch.equal(augmentation(stored[some], some), whole[some])


def test_a_shift_moves_each_image_by_up_to_so_many_pixels_each_way_and_brings_in_black() -> None:
    point = torch.zeros(500, 9, 9, dtype=torch.uint8)
    point[:, 4, 4] = 255
    moved = changes(500, shift=2)(point, torch.arange(500))
    assert (moved.flatten(1).sum(1) == 255).all()
    rows, columns = moved.amax(2).argmax(1), moved.amax(1).argmax(1)
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 25


def test_a_cutout_makes_one_square_black_inside_each_image() -> None:
    white = torch.full((5000, 28, 28), 255, dtype=torch.uint8)
    cut = changes(5000, cutout=6)(white, torch.arange(5000)) == 0
    assert (cut.flatten(1).sum(1) == 36).all()
    assert (cut.any(2).sum(1) == 6).all()
    assert (cut.any(1).sum(1) == 6).all()
    assert cut.any(0).all()  # every place is cut at times


def test_a_cutout_as_large_as_the_image_makes_it_black(stored: torch.Tensor) -> None:
    assert not changes(9, cutout=99)(stored[:9], torch.arange(9)).any()


def test_the_stored_images_stay_as_they_are(stored: torch.Tensor) -> None:
    before = stored.clone()
    changes(len(stored), shift=2, flip=True, cutout=6)(stored, torch.arange(len(stored)))
    assert torch.equal(stored, before)


def corrupted(images: torch.Tensor, **settings: object) -> torch.Tensor:
    augmentation = changes(len(images), corruption={"share": 1.0, **settings})
    return augmentation(images, torch.arange(len(images)))


def test_a_share_of_the_images_is_corrupted_and_each_kind_as_often(stored: torch.Tensor) -> None:
    kinds = {"rotation": 45.0, "contrast": 0.0, "noise": 60.0}
    for share in (0.0, 0.4):
        augmentation = changes(len(stored), corruption={"share": share, **kinds})
        other = (augmentation(stored, torch.arange(len(stored))) != stored).flatten(1).any(1)
        assert other.float().mean().item() == pytest.approx(share, abs=0.08)
    noisy = corrupted(stored, **kinds)[:, 0, 0] > 0  # the corners of nearly all images are black
    assert 0.15 < noisy.float().mean() < 0.7


def test_noise_has_a_deviation_of_up_to_so_many_grey_levels() -> None:
    grey = torch.full((300, 20, 20), 128, dtype=torch.uint8)
    deviations = corrupted(grey, noise=30.0).float().flatten(1).std(1)
    assert deviations.max() < 34
    assert deviations.mean().item() == pytest.approx(15, abs=1.5)
    assert corrupted(grey, noise=30.0).float().mean().item() == pytest.approx(128, abs=0.5)


def test_noise_leaves_white_images_bright_and_black_ones_dark() -> None:
    black, white = torch.zeros(300, 20, 20, dtype=torch.uint8), torch.full((300, 20, 20), 255, dtype=torch.uint8)
    assert corrupted(black, noise=20.0).max() < 155, "what falls below 0 is 0"
    assert corrupted(white, noise=20.0).min() > 100, "what rises above 255 is 255"


def test_contrast_keeps_the_mean_and_at_least_such_a_part_of_the_distances(stored: torch.Tensor) -> None:
    flat = corrupted(stored, contrast=0.25).float()
    before = stored.float()
    torch.testing.assert_close(flat.mean((1, 2)), before.mean((1, 2)), atol=0.5, rtol=0)
    kept = flat.flatten(1).std(1) / before.flatten(1).std(1)
    assert 0.23 < kept.min() < 0.35
    assert 0.9 < kept.max() <= 1.01


def test_a_rotation_turns_about_the_middle_by_up_to_so_many_degrees_either_way() -> None:
    bar = torch.zeros(200, 41, 41, dtype=torch.uint8)
    bar[:, 20, 21:] = 255  # from the middle to the right
    turned = corrupted(bar, rotation=30.0).float()
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    weight = turned.sum((1, 2))
    angles = torch.atan2((turned * rows).sum((1, 2)) / weight, (turned * columns).sum((1, 2)) / weight).rad2deg()
    assert angles.abs().max() < 32
    assert angles.min() < -25
    assert angles.max() > 25
    assert angles.mean().abs() < 4


def test_corrupting_leaves_the_stored_images_as_they_are(stored: torch.Tensor) -> None:
    before = stored.clone()
    corrupted(stored, rotation=30.0, contrast=0.2, noise=50.0)
    assert torch.equal(stored, before)


def test_all_that_is_drawn_comes_from_the_generator_that_is_given(stored: torch.Tensor) -> None:
    corruption = {"share": 0.5, "rotation": 20.0, "contrast": 0.2, "noise": 40.0}
    changed = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        augmentation = changes(len(stored), shift=2, flip=True, cutout=6, corruption=corruption)
        changed.append(augmentation(stored, torch.arange(len(stored))))
    assert torch.equal(*changed)


def test_a_share_of_0_draws_nothing_so_that_all_else_stays_as_without(stored: torch.Tensor) -> None:
    without, none = changes(len(stored)), changes(len(stored), corruption={"share": 0.0, "noise": 40.0})
    for augmentation in (without, none):
        augmentation(stored, torch.arange(len(stored)))
    assert torch.equal(without.generator.get_state(), none.generator.get_state())
