import numpy as np
import pytest

from fashion.images.robustness import CHANGES, changed, contrast, noise, rotate, shift


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_change_leaves_shape_and_type_and_comes_out_the_same_each_time(images: np.ndarray) -> None:
    before = images.copy()
    first, second = list(changed(images)), list(changed(images))
    assert len({(name, amount) for name, amount, _ in first}) == 12
    for (_, _, altered), (_, _, again) in zip(first, second, strict=True):
        assert altered.shape == images.shape
        assert altered.dtype == np.uint8
        assert not np.array_equal(altered, images)
        assert np.array_equal(altered, again)
    assert np.array_equal(images, before)


def test_more_of_a_change_is_further_from_the_image(images: np.ndarray) -> None:
    distances: dict[str, list[float]] = {}
    for name, _, altered in changed(images):
        distances.setdefault(name, []).append(float(np.abs(altered.astype(float) - images).mean()))
    assert all(values == sorted(values) for values in distances.values())


def test_a_change_is_as_strong_as_its_name_says() -> None:
    named = {name: list(amounts.items()) for name, (_, amounts) in CHANGES.items()}
    for name, amounts in named.items():
        for amount, strength in amounts:
            number = float(amount.split()[0].rstrip("%"))
            assert strength == (number / 100 if "%" in amount else number), f"{name} {amount}"


def test_noise_leaves_white_images_bright_and_black_ones_dark(chance: np.random.Generator) -> None:
    assert noise(np.zeros((50, 20, 20), np.uint8), 20, chance).max() < 155, "what falls below 0 is 0"
    assert noise(np.full((50, 20, 20), 255, np.uint8), 20, chance).min() > 100, "what rises above 255 is 255"


def test_a_shift_moves_a_point_in_each_of_four_ways(chance: np.random.Generator) -> None:
    point = np.zeros((100, 9, 9), np.uint8)
    point[:, 4, 4] = 255
    places = {tuple(np.argwhere(image)[0].tolist()) for image in shift(point, 2, chance)}
    assert places == {(2, 4), (6, 4), (4, 2), (4, 6)}


def test_a_rotation_by_a_right_angle_turns_an_image_one_way_or_the_other(
    images: np.ndarray, chance: np.random.Generator
) -> None:
    turned = rotate(images[:20], 90, chance).astype(int)
    ways = [np.rot90(images[:20], times, axes=(1, 2)) for times in (1, 3)]
    nearest = np.stack([np.abs(turned - way).max((1, 2)) for way in ways]).argmin(0)
    assert all(np.abs(turned[number] - ways[way][number]).max() <= 1 for number, way in enumerate(nearest))
    assert set(nearest.tolist()) == {0, 1}


def test_noise_has_its_deviation_and_contrast_its_factor(chance: np.random.Generator) -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    assert (noise(grey, 25, chance).astype(float) - 128).std() == pytest.approx(25, rel=0.02)
    halves = np.concatenate([np.full((1, 28, 14), 50), np.full((1, 28, 14), 150)], axis=2).astype(np.uint8)
    assert np.unique(contrast(halves, 0.5, chance)).tolist() == [75, 125]
