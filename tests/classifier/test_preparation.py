import numpy as np
import pytest
import torch

from fashion.classifier.preparation import Preparation, crop


@pytest.mark.parametrize(("scaling", "low", "high"), [("pixels", 0, 255), ("unit", 0, 1)])
def test_scaling_maps_grey_levels(images: np.ndarray, scaling: str, low: float, high: float) -> None:
    prepared = Preparation.of(images, size=28, scaling=scaling)(torch.from_numpy(images))  # type: ignore[arg-type]
    assert prepared.shape == (400, 1, 28, 28)
    assert (prepared.min().item(), prepared.max().item()) == (low, high)


def test_standard_scaling_makes_the_training_images_mean_0_and_deviation_1(images: np.ndarray) -> None:
    prepared = Preparation.of(images, size=24, scaling="standard")(torch.from_numpy(images))
    assert prepared.mean().item() == pytest.approx(0, abs=1e-5)
    assert prepared.std().item() == pytest.approx(1, abs=1e-5)


def test_cropping_takes_the_margin_off_again(images: np.ndarray) -> None:
    padded = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    assert torch.equal(crop(padded, 28), torch.from_numpy(images))


def test_an_input_larger_than_the_stored_images_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="input.size: 32 is more than the stored 28 pixels"):
        Preparation.of(images, size=32, scaling="unit")
