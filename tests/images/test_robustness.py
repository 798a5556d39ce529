import numpy as np
import pytest

from fashion.images.robustness import CORRUPTIONS, contrast, corrupted_images, noise, rotate, shift


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_corruptions_keep_shape_and_dtype_and_are_the_same_each_time(images: np.ndarray) -> None:
    before = images.copy()
    first, second = list(corrupted_images(images)), list(corrupted_images(images))
    assert len({(name, amount) for name, amount, _ in first}) == 12
    for (_, _, corrupted), (_, _, again) in zip(first, second, strict=True):
        assert corrupted.shape == images.shape
        assert corrupted.dtype == np.uint8
        assert not np.array_equal(corrupted, images)
        assert np.array_equal(corrupted, again)
    assert np.array_equal(images, before)


def test_a_stronger_corruption_changes_the_images_more(images: np.ndarray) -> None:
    distances: dict[str, list[float]] = {}
    for name, _, corrupted in corrupted_images(images):
        distances.setdefault(name, []).append(float(np.abs(corrupted.astype(float) - images).mean()))
    assert all(values == sorted(values) for values in distances.values())


def test_the_strength_of_a_corruption_is_that_of_its_label() -> None:
    for name, (_, amounts) in CORRUPTIONS.items():
        for amount, strength in amounts.items():
            number = float(amount.split()[0].rstrip("%"))
            assert strength == (number / 100 if "%" in amount else number), f"{name} {amount}"


def test_noise_is_clipped_to_grey_levels(generator: np.random.Generator) -> None:
    assert noise(np.zeros((50, 20, 20), np.uint8), 20, generator).max() < 155, "what falls below 0 is 0"
    assert noise(np.full((50, 20, 20), 255, np.uint8), 20, generator).min() > 100, "what rises above 255 is 255"


def test_a_shift_moves_images_in_four_directions(generator: np.random.Generator) -> None:
    point = np.zeros((100, 9, 9), np.uint8)
    point[:, 4, 4] = 255
    places = {tuple(np.argwhere(image)[0].tolist()) for image in shift(point, 2, generator)}
    assert places == {(2, 4), (6, 4), (4, 2), (4, 6)}


def test_a_rotation_by_90_degrees_turns_images_clockwise_or_anticlockwise(
    images: np.ndarray, generator: np.random.Generator
) -> None:
    turned = rotate(images[:20], 90, generator).astype(int)
    expected = [np.rot90(images[:20], times, axes=(1, 2)) for times in (1, 3)]
    nearest = np.stack([np.abs(turned - rotated).max((1, 2)) for rotated in expected]).argmin(0)
    assert all(np.abs(turned[index] - expected[way][index]).max() <= 1 for index, way in enumerate(nearest))
    assert set(nearest.tolist()) == {0, 1}


def test_noise_has_its_deviation_and_contrast_its_factor(generator: np.random.Generator) -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    assert (noise(grey, 25, generator).astype(float) - 128).std() == pytest.approx(25, rel=0.02)
    halves = np.concatenate([np.full((1, 28, 14), 50), np.full((1, 28, 14), 150)], axis=2).astype(np.uint8)
    assert np.unique(contrast(halves, 0.5, generator)).tolist() == [75, 125]
