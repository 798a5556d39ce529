import numpy as np
import pytest
import scipy.ndimage

from fashion.images.copies import augment
from small import colour_tiles


def zoomed_copies(images: np.ndarray, *, crop: int) -> np.ndarray:
    return augment(images, crop=crop, background=[0])[2::4]


@pytest.mark.parametrize("size", [28, 32, 36, 48, 51])
def test_zoom_equals_scipys_bit_for_bit_for_every_crop_that_leaves_8_pixels(images: np.ndarray, size: int) -> None:
    padded = np.pad(images[:12, 0], ((0, 0), (0, size - 28), (0, size - 28)), mode="reflect") + np.uint8(1)
    for crop in range((size - 8) // 2 + 1):
        inner = padded[:, crop : size - crop, crop : size - crop]
        expected = np.stack([scipy.ndimage.zoom(image, size / (size - 2 * crop), order=0) for image in inner])
        zoomed = zoomed_copies(padded[:, None], crop=crop)
        np.testing.assert_array_equal(zoomed[:, 0], expected, err_msg=f"crop {crop} of {size}")


def test_each_channel_of_a_wide_image_is_zoomed_as_scipy_does() -> None:
    images = colour_tiles(24, 36)[0][:8]
    inner = images[:, :, 3:-3, 3:-3]
    expected = np.stack(
        [[scipy.ndimage.zoom(plane, (24 / 18, 36 / 30), order=0) for plane in image] for image in inner]
    )
    outside = expected.shape[3] - 1  # SciPy takes the last column for a pixel outside the image, and fills it with 0
    np.testing.assert_array_equal(augment(images, crop=3, background=[0, 0, 0])[2::4], expected)
    assert not expected[..., outside].any()


def test_a_pixel_that_a_zoom_takes_from_outside_the_image_is_the_background_of_its_channel() -> None:
    images = colour_tiles(24, 36)[0][:8]
    plain, zoomed = (augment(images, crop=3, background=levels)[2::4] for levels in ([0] * 3, [250, 100, 10]))
    assert [np.unique(zoomed[:, channel, :, -1]).tolist() for channel in range(3)] == [[250], [100], [10]]
    np.testing.assert_array_equal(zoomed[..., :-1], plain[..., :-1])


@pytest.mark.parametrize("shape", [(28, 28), (28, 40), (40, 28)])
def test_a_crop_that_leaves_fewer_than_8_pixels_of_the_shorter_side_is_refused(shape: tuple[int, int]) -> None:
    images = np.zeros((1, 3, *shape), np.uint8)
    with pytest.raises(ValueError, match=r"augment.crop: 11 leaves 6 of 28 pixels a side; at most 10 may be cut off"):
        augment(images, crop=11, background=[0, 0, 0])


def test_copies_of_an_image_are_kept_together_in_the_published_order(images: np.ndarray) -> None:
    for originals, background in ((images, [0]), (colour_tiles(30, 40)[0], [255, 0, 9])):
        copies = augment(originals, crop=2, background=background).reshape(-1, 4, *originals.shape[1:])
        zoomed = augment(originals, crop=2, background=background)[2::4]
        np.testing.assert_array_equal(copies[:, 0], originals)
        np.testing.assert_array_equal(copies[:, 1], np.flip(originals, 3))
        np.testing.assert_array_equal(copies[:, 2], zoomed)
        np.testing.assert_array_equal(copies[:, 3], np.flip(zoomed, 3))
        assert copies.dtype == np.uint8
