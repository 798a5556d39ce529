import numpy as np
import pytest
import torch

from fashion.classifier.preparation import Preparation, crop
from fashion.settings.system import InputSettings


@pytest.mark.parametrize(("scaling", "low", "high"), [("pixels", 0, 255), ("unit", 0, 1)])
def test_scaling_maps_grey_levels(images: np.ndarray, scaling: str, low: float, high: float) -> None:
    prepared = Preparation.of(images, size=28, scaling=scaling)(torch.from_numpy(images))  # type: ignore[arg-type]
    assert prepared.shape == (400, 1, 28, 28)
    assert (prepared.min().item(), prepared.max().item()) == (low, high)


def test_standard_scaling_makes_the_training_images_mean_0_and_deviation_1(images: np.ndarray) -> None:
    prepared = Preparation.of(images, size=24, scaling="standard", content=24)(torch.from_numpy(images))
    assert prepared.mean().item() == pytest.approx(0, abs=1e-5)
    assert prepared.std().item() == pytest.approx(1, abs=1e-5)


def test_cropping_takes_the_margin_off_again(images: np.ndarray) -> None:
    padded = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    assert torch.equal(crop(padded, 28), torch.from_numpy(images))


@pytest.mark.parametrize("size", [20, 40])
def test_an_image_that_does_not_fit_is_shrunk_or_enlarged_whole(images: np.ndarray, size: int) -> None:
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    prepared = Preparation.of(padded, size=size, scaling="pixels", content=28)(torch.from_numpy(padded))
    assert prepared.shape == (400, 1, size, size)
    assert prepared.mean().item() == pytest.approx(images.mean(), rel=0.01)
    ends = prepared[:, 0, [0, -1]].amax((0, 2)), prepared[:, 0, :, [0, -1]].amax((0, 1))
    assert all((end > 0).all() for end in ends), "what lies at the edges is seen"


def test_margin_alone_is_cropped_off_to_a_size_between(images: np.ndarray) -> None:
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    assert Preparation.of(padded, size=30, scaling="unit", content=28).content is None


def test_small_images_fill_the_input_of_a_network_that_takes_them_as_they_are(images: np.ndarray) -> None:
    small = images[:, 10:18, 10:18]
    padded = np.pad(small, ((0, 0), (12, 12), (12, 12)))
    size = InputSettings(size="auto", scaling="pixels").side(8)
    assert size == 24
    prepared = Preparation.of(padded, size=size, scaling="pixels", content=8, fill=True)(torch.from_numpy(padded))
    assert prepared.shape == (400, 1, 24, 24)
    assert prepared.mean().item() == pytest.approx(small.mean(), rel=0.01)


def test_images_of_one_grey_can_be_scaled_too() -> None:
    grey = np.full((3, 8, 8), 7, np.uint8)
    assert not Preparation.of(grey, size=8, scaling="standard")(torch.from_numpy(grey)).any()
