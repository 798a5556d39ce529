import tracemalloc

import numpy as np
import pytest

from fashion.images.robustness import CORRUPTIONS, contrast, corrupted_images, noise, rotate, shift
from small import colour_tiles

BACKGROUND = [250, 100, 10]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_corruptions_keep_shape_and_dtype_and_are_the_same_each_time(images: np.ndarray) -> None:
    before = images.copy()
    first, second = list(corrupted_images(images, [0])), list(corrupted_images(images, [0]))
    assert len({(name, amount) for name, amount, _ in first}) == 12
    for (_, _, corrupted), (_, _, again) in zip(first, second, strict=True):
        assert corrupted.shape == images.shape
        assert corrupted.dtype == np.uint8
        assert not np.array_equal(corrupted, images)
        assert np.array_equal(corrupted, again)
    assert np.array_equal(images, before)


def test_corruptions_of_large_images_take_little_memory() -> None:
    tiles = np.resize(colour_tiles(60, 90)[0], (300, 3, 60, 90))
    tracemalloc.start()
    try:
        for _ in corrupted_images(tiles, BACKGROUND):
            pass
        assert tracemalloc.get_traced_memory()[1] < 6 * tiles.nbytes, "eight bytes for each level of all images"
    finally:
        tracemalloc.stop()


def test_noise_of_many_images_is_drawn_as_for_all_at_once(images: np.ndarray, generator: np.random.Generator) -> None:
    many = np.tile(images, (5, 1, 1, 1))
    expected = many + np.random.default_rng(0).normal(0, 25, many.shape)
    np.testing.assert_array_equal(noise(many, 25, generator, [0]), expected.round().clip(0, 255))


def test_a_stronger_corruption_changes_the_images_more(images: np.ndarray) -> None:
    distances: dict[str, list[float]] = {}
    for name, _, corrupted in corrupted_images(images, [0]):
        distances.setdefault(name, []).append(float(np.abs(corrupted.astype(float) - images).mean()))
    assert all(values == sorted(values) for values in distances.values())


def test_the_strength_of_a_corruption_is_that_of_its_label() -> None:
    for name, (_, amounts) in CORRUPTIONS.items():
        for amount, strength in amounts.items():
            number = float(amount.split()[0].rstrip("%"))
            assert strength == (number / 100 if "%" in amount else number), f"{name} {amount}"


def test_noise_is_clipped_to_grey_levels(generator: np.random.Generator) -> None:
    assert noise(np.zeros((50, 1, 20, 20), np.uint8), 20, generator, [0]).max() < 155, "what falls below 0 is 0"
    assert noise(np.full((50, 1, 20, 20), 255, np.uint8), 20, generator, [0]).min() > 100, "what rises above 255 is 255"


def test_a_shift_moves_images_in_four_directions(generator: np.random.Generator) -> None:
    point = np.zeros((100, 1, 9, 9), np.uint8)
    point[:, :, 4, 4] = 255
    places = {tuple(np.argwhere(image[0])[0].tolist()) for image in shift(point, 2, generator, [0])}
    assert places == {(2, 4), (6, 4), (4, 2), (4, 6)}


def test_a_rotation_by_90_degrees_turns_images_clockwise_or_anticlockwise(
    images: np.ndarray, generator: np.random.Generator
) -> None:
    turned = rotate(images[:20], 90, generator, [0]).astype(int)
    expected = [np.rot90(images[:20], times, axes=(2, 3)) for times in (1, 3)]
    nearest = np.stack([np.abs(turned - rotated).max((1, 2, 3)) for rotated in expected]).argmin(0)
    assert all(np.abs(turned[index] - expected[way][index]).max() <= 1 for index, way in enumerate(nearest))
    assert set(nearest.tolist()) == {0, 1}


def test_noise_has_its_deviation_and_contrast_its_factor(generator: np.random.Generator) -> None:
    grey = np.full((50, 1, 28, 28), 128, np.uint8)
    assert (noise(grey, 25, generator, [0]).astype(float) - 128).std() == pytest.approx(25, rel=0.02)
    halves = np.concatenate([np.full((1, 1, 28, 14), 50), np.full((1, 1, 28, 14), 150)], axis=3).astype(np.uint8)
    assert np.unique(contrast(halves, 0.5, generator, [0])).tolist() == [75, 125]


def test_all_channels_of_an_image_are_shifted_alike_and_filled_with_their_background(
    generator: np.random.Generator,
) -> None:
    images = colour_tiles(24, 36)[0][:60].clip(11, 99)  # no pixel has the background's level
    shifted = shift(images, 4, generator, BACKGROUND)
    filled = shifted == np.array(BACKGROUND)[:, None, None]
    assert (filled == filled[:, :1]).all()
    sides = [filled[:, 0, :4], filled[:, 0, -4:], filled[:, 0, :, :4], filled[:, 0, :, -4:]]
    assert (np.stack([side.all((1, 2)) for side in sides]).sum(0) == 1).all(), "one side of each image is filled"
    assert all(side.all((1, 2)).any() for side in sides)
    for image, result, mask in zip(images, shifted, filled[:, 0], strict=True):
        top, left = (4 * (mask[:4].all() - 1 * mask[-4:].all()), 4 * (mask[:, :4].all() - 1 * mask[:, -4:].all()))
        np.testing.assert_array_equal(np.roll(image, (top, left), (1, 2))[:, ~mask], result[:, ~mask])


def test_a_rotation_of_an_image_of_nothing_but_background_changes_nothing(generator: np.random.Generator) -> None:
    plain = np.broadcast_to(np.array(BACKGROUND, np.uint8)[:, None, None], (20, 3, 24, 36))
    np.testing.assert_array_equal(rotate(plain, 30, generator, BACKGROUND), plain)


def test_a_rotation_keeps_the_length_of_what_a_wide_image_shows(generator: np.random.Generator) -> None:
    bar = np.zeros((20, 1, 41, 61), np.uint8)
    bar[:, :, 8:20, 30] = 255
    turned = rotate(bar, 90, generator, [0])[:, 0] > 128
    assert {tuple(np.argwhere(image).mean(0)) for image in turned} == {(20, 23.5), (20, 36.5)}


def test_the_contrast_of_a_colour_image_is_reduced_around_the_mean_of_all_its_channels(
    generator: np.random.Generator,
) -> None:
    colours = np.broadcast_to(np.array([0, 60, 240], np.uint8)[:, None, None], (2, 3, 8, 12))
    assert contrast(colours, 0.5, generator, BACKGROUND)[1, :, 3, 4].tolist() == [50, 80, 170]
