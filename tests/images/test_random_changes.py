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
