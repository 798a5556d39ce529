import numpy as np
import pytest
import torch

from fashion.classifier.preparation import Preparation, crop
from fashion.settings.model import InputSettings


@pytest.mark.parametrize(("scaling", "low", "high"), [("pixels", 0, 255), ("unit", 0, 1)])
def test_scaling_maps_grey_levels_to_its_range(images: np.ndarray, scaling: str, low: float, high: float) -> None:
    prepared = Preparation.of(images, size=28, scaling=scaling)(torch.from_numpy(images))  # type: ignore[arg-type]
    assert prepared.shape == (400, 1, 28, 28)
    assert (prepared.min().item(), prepared.max().item()) == (low, high)


def test_standard_scaling_makes_the_training_images_mean_0_and_deviation_1(images: np.ndarray) -> None:
    prepared = Preparation.of(images, size=24, scaling="standard", content_side=24)(torch.from_numpy(images))
    assert prepared.mean().item() == pytest.approx(0, abs=1e-5)
    assert prepared.std().item() == pytest.approx(1, abs=1e-5)


def test_a_crop_removes_the_margin(images: np.ndarray) -> None:
    padded = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    assert torch.equal(crop(padded, 28), torch.from_numpy(images))


@pytest.mark.parametrize("size", [20, 40])
def test_content_of_another_size_is_resized_as_a_whole(images: np.ndarray, size: int) -> None:
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    prepared = Preparation.of(padded, size=size, scaling="pixels", content_side=28)(torch.from_numpy(padded))
    assert prepared.shape == (400, 1, size, size)
    assert prepared.mean().item() == pytest.approx(images.mean(), rel=0.01)
    edges = prepared[:, 0, [0, -1]].amax((0, 2)), prepared[:, 0, :, [0, -1]].amax((0, 1))
    assert all((edge > 0).all() for edge in edges), "the edges are not cropped off"


def test_a_size_between_content_and_side_crops_only_margin(images: np.ndarray) -> None:
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    assert Preparation.of(padded, size=30, scaling="unit", content_side=28).content_side is None


def test_small_images_fill_an_input_of_size_auto(images: np.ndarray) -> None:
    small = images[:, 10:18, 10:18]
    padded = np.pad(small, ((0, 0), (12, 12), (12, 12)))
    size = InputSettings(size="auto", scaling="pixels").side(8)
    assert size == 24
    prepared = Preparation.of(padded, size=size, scaling="pixels", content_side=8, fill=True)(torch.from_numpy(padded))
    assert prepared.shape == (400, 1, 24, 24)
    assert prepared.mean().item() == pytest.approx(small.mean(), rel=0.01)


def test_standard_scaling_of_images_of_one_grey_gives_zeros() -> None:
    grey = np.full((3, 8, 8), 7, np.uint8)
    assert not Preparation.of(grey, size=8, scaling="standard")(torch.from_numpy(grey)).any()
