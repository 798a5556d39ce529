import numpy as np
import pytest
import scipy.ndimage

from fashion.images.copies import augment


def zoomed_copies(images: np.ndarray, *, crop: int) -> np.ndarray:
    return augment(images, crop=crop)[2::4]


@pytest.mark.parametrize("size", [28, 32, 36, 48, 51])
def test_zoom_equals_scipys_bit_for_bit_for_every_crop_that_leaves_8_pixels(images: np.ndarray, size: int) -> None:
    padded = np.pad(images[:12], ((0, 0), (0, size - 28), (0, size - 28)), mode="reflect") + np.uint8(1)
    for crop in range((size - 8) // 2 + 1):
        inner = padded[:, crop : size - crop, crop : size - crop]
        expected = np.stack([scipy.ndimage.zoom(image, size / (size - 2 * crop), order=0) for image in inner])
        np.testing.assert_array_equal(zoomed_copies(padded, crop=crop), expected, err_msg=f"crop {crop} of {size}")


def test_a_crop_that_leaves_fewer_than_8_pixels_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="augment.crop: 11 leaves 6 of 28 pixels a side; at most 10 may be cut off"):
        augment(images, crop=11)


def test_copies_of_an_image_are_kept_together_in_the_published_order(images: np.ndarray) -> None:
    copies = augment(images, crop=2).reshape(-1, 4, 28, 28)
    zoomed = zoomed_copies(images, crop=2)
    np.testing.assert_array_equal(copies[:, 0], images)
    np.testing.assert_array_equal(copies[:, 1], np.flip(images, 2))
    np.testing.assert_array_equal(copies[:, 2], zoomed)
    np.testing.assert_array_equal(copies[:, 3], np.flip(zoomed, 2))
    assert copies.dtype == np.uint8
