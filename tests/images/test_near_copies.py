import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from fashion.images.groups import join_groups
from fashion.images.near_copies import NEAR, SIDE, averaging, near_copies, small_images
from small import colour_tiles


def saved_as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved as JPEG": saved_as_jpeg,
    "made brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "of half the contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.5),
    "resized": lambda image: image.resize((40, 40)).resize(image.size),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(images: np.ndarray, change: str) -> None:
    copies = [np.asarray(CHANGES[change](Image.fromarray(image[0]))) for image in images[:30]]
    pairs, correlations = near_copies(np.concatenate([images, np.stack(copies)[:, None]]))
    found = {(first, second - 400) for first, second in pairs.tolist() if second >= 400}
    assert {(index, index) for index in range(30)} <= found
    assert len(pairs) <= 33
    assert (correlations > 0.995).all()


def test_copies_of_wide_images_in_colour_are_found_by_their_colours() -> None:
    tiles, _ = colour_tiles(40, 60)
    tiles = tiles[tiles.std((1, 2, 3)) > 40]  # without sky
    assert len(tiles) > 30
    pairs = {tuple(pair) for pair in near_copies(np.concatenate([tiles, tiles]))[0].tolist()}
    assert {(index, index + len(tiles)) for index in range(len(tiles))} <= pairs
    assert len(pairs) <= len(tiles) + 4, "two tiles of the temple look the same"
    other_colours = tiles[:, [2, 0, 1]]
    assert len(near_copies(np.concatenate([tiles, other_colours]))[0]) < 0.3 * len(tiles)


def test_blank_images_are_no_copies_of_each_other() -> None:
    assert len(near_copies(np.full((3, 1, 28, 28), 200, np.uint8))[0]) == 0


def test_no_images_have_no_copies() -> None:
    assert len(near_copies(np.empty((0, 1, 28, 28), np.uint8))[0]) == 0


def test_a_still_scene_has_a_pair_for_each_frame_that_joins_all_of_them(images: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    frames = np.clip(images[:1] + rng.integers(-1, 2, (2500, 1, 28, 28)), 0, 255).astype(np.uint8)  # two blocks
    pairs, correlations = near_copies(np.concatenate([images[1:50], frames]))
    assert len(pairs) < 2600
    assert (correlations >= NEAR).all()
    assert (pairs[:, 0] < pairs[:, 1]).all()
    groups = join_groups(np.arange(2549), pairs=pairs)
    assert len(set(groups[49:])) == 1


@pytest.mark.parametrize("least", [0.9, 0.95, 0.995])
def test_the_pairs_join_the_same_images_as_all_pairs_would(
    images: np.ndarray, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion.images.near_copies.BLOCK", 70)
    pairs, correlations = near_copies(images, least=least)
    all_correlations = np.corrcoef(small_images(images))
    np.testing.assert_allclose(correlations, all_correlations[tuple(pairs.T)], rtol=1e-5)
    every = np.argwhere(np.triu(all_correlations >= least, k=1))
    whole, joined = (join_groups(np.arange(400), pairs=found) for found in (every, pairs))
    np.testing.assert_array_equal(joined, whole)
    assert len(pairs) <= 800
    assert len(pairs) < len(every) or len(every) < 5
    earlier = np.where(np.tri(400, k=-1), all_correlations, 0)
    first = pairs[np.unique(pairs[:, 1], return_index=True)[1]]
    np.testing.assert_array_equal(earlier.argmax(1)[first[:, 1]], first[:, 0])


def test_a_correlation_of_one_finds_none(images: np.ndarray) -> None:
    assert len(near_copies(np.concatenate([images, images]), least=1)[0]) == 0


@pytest.mark.parametrize("length", [8, 16, 28, 224])
def test_small_images_are_means_over_equal_parts(length: int) -> None:
    row = np.arange(length, dtype=np.float32)
    means = averaging(length) @ row
    assert means.shape == (SIDE,)
    assert means.mean() == pytest.approx(row.mean(), rel=1e-5)
    if length == 2 * SIDE:
        np.testing.assert_allclose(means, row.reshape(SIDE, 2).mean(1))
