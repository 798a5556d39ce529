from collections.abc import Sequence

import numpy as np
import pytest
import torch

from fashion.images.augmentation import RandomAugmentation
from fashion.settings.model import Augmentation
from small import colour_tiles

BACKGROUND = (250, 100, 10)


@pytest.fixture
def stored(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images)


@pytest.fixture(scope="module")
def tiles() -> torch.Tensor:
    """Give 280 colour images of 40 rows and 32 columns, which have no pixel of the levels of `BACKGROUND`."""
    images = colour_tiles(40, 32)[0][:280]
    for channel, level in enumerate(BACKGROUND):
        images[:, channel][images[:, channel] == level] += 1
    return torch.tensor(images)


def make_augmentation(num_images: int, background: Sequence[int] = (0,), **settings: object) -> RandomAugmentation:
    generator = torch.Generator().manual_seed(0)
    return RandomAugmentation(Augmentation.model_validate(settings), num_images, generator, background)


def is_background(images: torch.Tensor) -> torch.Tensor:
    """Tell which pixels of images have the levels of `BACKGROUND`: N x height x width."""
    return (images == torch.tensor(BACKGROUND)[:, None, None]).all(1)


def test_an_augmentation_without_settings_changes_nothing(stored: torch.Tensor) -> None:
    assert torch.equal(make_augmentation(len(stored))(stored, torch.arange(len(stored))), stored)


def test_a_flip_mirrors_each_image_in_every_second_epoch(stored: torch.Tensor) -> None:
    indices = torch.arange(len(stored))
    augmentation = make_augmentation(len(stored), flip=True)
    first = augmentation(stored, indices)
    augmentation.next_epoch()
    second = augmentation(stored, indices)
    assert torch.equal(first.flip(3), second)
    unchanged = (first == stored).flatten(1).all(1)
    assert 0.3 < unchanged.float().mean() < 0.7
    assert torch.equal(first[~unchanged], stored[~unchanged].flip(3))


def test_a_flip_depends_on_the_index_of_the_image_and_not_on_its_place_in_the_batch(stored: torch.Tensor) -> None:
    augmentation = make_augmentation(len(stored), flip=True)
    flipped = augmentation(stored, torch.arange(len(stored)))
    indices = torch.tensor([7, 3, 250])
    assert torch.equal(augmentation(stored[indices], indices), flipped[indices])


def test_a_shift_moves_each_image_by_at_most_shift_pixels() -> None:
    point = torch.zeros(500, 1, 9, 9, dtype=torch.uint8)
    point[:, :, 4, 4] = 255
    moved = make_augmentation(500, shift=2)(point, torch.arange(500))[:, 0]
    assert (moved.flatten(1).sum(1) == 255).all()
    rows, columns = moved.amax(2).argmax(1), moved.amax(1).argmax(1)
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 25


def test_a_shift_moves_all_channels_alike_and_fills_with_the_background(tiles: torch.Tensor) -> None:
    moved = make_augmentation(len(tiles), BACKGROUND, shift=3)(tiles, torch.arange(len(tiles)))
    assert moved.shape == tiles.shape
    filled = is_background(moved)
    rows, columns = filled.all(2), filled.all(1)
    assert torch.equal(filled, rows[:, :, None] | columns[:, None, :]), "whole rows and columns are filled"
    assert set(rows.sum(1).tolist()) == set(columns.sum(1).tolist()) == {0, 1, 2, 3}
    for before, after, empty_rows, empty_columns in zip(tiles, moved, rows, columns, strict=True):
        kept = after[:, ~empty_rows][:, :, ~empty_columns]
        top = 0 if empty_rows[0] else 40 - kept.shape[1]
        left = 0 if empty_columns[0] else 32 - kept.shape[2]
        assert torch.equal(kept, before[:, top : top + kept.shape[1], left : left + kept.shape[2]])


def test_a_flip_mirrors_all_channels_of_wide_images(tiles: torch.Tensor) -> None:
    flipped = make_augmentation(len(tiles), BACKGROUND, flip=True)(tiles, torch.arange(len(tiles)))
    unchanged = (flipped == tiles).flatten(1).all(1)
    assert 0.3 < unchanged.float().mean() < 0.7
    assert torch.equal(flipped[~unchanged], tiles[~unchanged].flip(3))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (16, 40)])
def test_a_cutout_fills_one_square_inside_each_image(height: int, width: int) -> None:
    white = torch.full((9000, 1, height, width), 255, dtype=torch.uint8)
    cut = make_augmentation(9000, cutout=6)(white, torch.arange(9000))[:, 0] == 0
    assert (cut.flatten(1).sum(1) == 36).all()
    assert (cut.any(2).sum(1) == 6).all()
    assert (cut.any(1).sum(1) == 6).all()
    assert cut.any(0).all()  # every place is cut at times


def test_a_cutout_has_the_background_in_all_channels_and_the_rest_is_unchanged(tiles: torch.Tensor) -> None:
    cut = make_augmentation(len(tiles), BACKGROUND, cutout=8)(tiles, torch.arange(len(tiles)))
    filled = is_background(cut)
    assert (filled.flatten(1).sum(1) == 64).all()
    unfilled = ~filled[:, None].expand_as(tiles)
    assert torch.equal(cut[unfilled], tiles[unfilled])


def test_a_cutout_larger_than_the_image_leaves_nothing_of_it(tiles: torch.Tensor) -> None:
    assert is_background(make_augmentation(9, BACKGROUND, cutout=99)(tiles[:9], torch.arange(9))).all()


def test_an_augmentation_does_not_change_the_stored_images(stored: torch.Tensor) -> None:
    before = stored.clone()
    make_augmentation(len(stored), shift=2, flip=True, cutout=6)(stored, torch.arange(len(stored)))
    assert torch.equal(stored, before)


def corrupt(images: torch.Tensor, background: Sequence[int] = (0,), **settings: object) -> torch.Tensor:
    augmentation = make_augmentation(len(images), background, corruption={"share": 1.0, **settings})
    return augmentation(images, torch.arange(len(images)))


def test_a_share_of_the_images_is_corrupted_by_all_kinds_alike(stored: torch.Tensor) -> None:
    kinds = {"max_rotation": 45.0, "min_contrast": 0.0, "max_noise_std": 60.0}
    for share in (0.0, 0.4):
        augmentation = make_augmentation(len(stored), corruption={"share": share, **kinds})
        changed = (augmentation(stored, torch.arange(len(stored))) != stored).flatten(1).any(1)
        assert changed.float().mean().item() == pytest.approx(share, abs=0.08)
    noisy = corrupt(stored, **kinds)[:, 0, 0, 0] > 0  # the corners of nearly all images are black
    assert 0.15 < noisy.float().mean() < 0.7


def test_noise_has_at_most_the_given_standard_deviation() -> None:
    grey = torch.full((300, 1, 20, 20), 128, dtype=torch.uint8)
    deviations = corrupt(grey, max_noise_std=30.0).float().flatten(1).std(1)
    assert deviations.max() < 34
    assert deviations.mean().item() == pytest.approx(15, abs=1.5)
    assert corrupt(grey, max_noise_std=30.0).float().mean().item() == pytest.approx(128, abs=0.5)


def test_noise_is_clipped_to_grey_levels() -> None:
    black, white = torch.zeros(300, 1, 20, 20, dtype=torch.uint8), torch.full((300, 1, 20, 20), 255, dtype=torch.uint8)
    assert corrupt(black, max_noise_std=20.0).max() < 155, "what falls below 0 is 0"
    assert corrupt(white, max_noise_std=20.0).min() > 100, "what rises above 255 is 255"


def test_contrast_keeps_the_mean_and_at_least_the_given_fraction_of_the_contrast(stored: torch.Tensor) -> None:
    reduced = corrupt(stored, min_contrast=0.25).float()
    before = stored.float()
    torch.testing.assert_close(reduced.mean((1, 2, 3)), before.mean((1, 2, 3)), atol=0.5, rtol=0)
    ratio = reduced.flatten(1).std(1) / before.flatten(1).std(1)
    assert 0.23 < ratio.min() < 0.35
    assert 0.9 < ratio.max() <= 1.01


def test_a_rotation_turns_images_by_at_most_the_given_angle_to_either_side() -> None:
    bar = torch.zeros(200, 1, 41, 41, dtype=torch.uint8)
    bar[:, :, 20, 21:] = 255  # from the middle to the right
    turned = corrupt(bar, max_rotation=30.0)[:, 0].float()
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    weight = turned.sum((1, 2))
    angles = torch.atan2((turned * rows).sum((1, 2)) / weight, (turned * columns).sum((1, 2)) / weight).rad2deg()
    assert angles.abs().max() < 32
    assert angles.min() < -25
    assert angles.max() > 25
    assert angles.mean().abs() < 4


def test_a_rotation_fills_corners_with_the_background_of_each_channel() -> None:
    plain = torch.tensor(BACKGROUND, dtype=torch.uint8)[:, None, None].expand(50, 3, 24, 36).clone()
    assert torch.equal(corrupt(plain, BACKGROUND, max_rotation=45.0), plain), "no darker edge where pixels are mixed"
    plain[:, :, 6:-6, 9:-9] = 128
    turned = corrupt(plain, BACKGROUND, max_rotation=45.0)
    assert is_background(turned)[:, [0, 0, -1, -1], [0, -1, 0, -1]].all()


def test_a_rotation_of_a_wide_image_keeps_its_proportions() -> None:
    """A bar of 12 pixels, from the middle upwards, is as long after it is turned."""
    bar = torch.zeros(100, 1, 41, 61, dtype=torch.uint8)
    bar[:, :, 8:20, 30] = 255
    turned = corrupt(bar, max_rotation=90.0)[:, 0].float()
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(61.0) - 30, indexing="ij")
    weight = turned.sum((1, 2))
    distances = torch.hypot((turned * rows).sum((1, 2)), (turned * columns).sum((1, 2))) / weight
    assert distances.tolist() == pytest.approx([6.5] * 100, abs=0.4)


def test_the_contrast_of_a_colour_image_is_reduced_around_the_mean_of_all_its_channels(tiles: torch.Tensor) -> None:
    reduced, before = corrupt(tiles, BACKGROUND, min_contrast=0.0).double(), tiles.double()
    means = before.mean((1, 2, 3), keepdim=True)
    factors = ((reduced - means) * (before - means)).sum((1, 2, 3)) / (before - means).square().sum((1, 2, 3))
    expected = means + factors[:, None, None, None] * (before - means)
    assert (reduced - expected).abs().max() <= 1
    assert factors.min() < 0.1


def test_noise_differs_between_the_channels_of_a_pixel(tiles: torch.Tensor) -> None:
    noise = (corrupt(tiles, BACKGROUND, max_noise_std=20.0).float() - tiles).flatten(2)
    assert (noise[:, 0] != noise[:, 1]).float().mean() > 0.8


def test_a_corruption_does_not_change_the_stored_images(stored: torch.Tensor) -> None:
    before = stored.clone()
    corrupt(stored, max_rotation=30.0, min_contrast=0.2, max_noise_std=50.0)
    assert torch.equal(stored, before)


def test_all_random_numbers_come_from_the_given_generator(stored: torch.Tensor) -> None:
    corruption = {"share": 0.5, "max_rotation": 20.0, "min_contrast": 0.2, "max_noise_std": 40.0}
    changed = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        augmentation = make_augmentation(len(stored), shift=2, flip=True, cutout=6, corruption=corruption)
        changed.append(augmentation(stored, torch.arange(len(stored))))
    assert torch.equal(*changed)


def test_a_share_of_0_draws_no_random_numbers(stored: torch.Tensor) -> None:
    without, zero = (
        make_augmentation(len(stored)),
        make_augmentation(len(stored), corruption={"share": 0.0, "max_noise_std": 40.0}),
    )
    for augmentation in (without, zero):
        augmentation(stored, torch.arange(len(stored)))
    assert torch.equal(without.generator.get_state(), zero.generator.get_state())
