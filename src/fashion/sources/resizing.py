"""Resize images of any size to fit a frame, keeping their proportions, and centre them on its background."""

import numpy as np
from PIL import Image

from fashion.settings.frame import Frame

CHUNK_PIXELS = 1_024_000  # converted to grey at a time: each level takes four bytes meanwhile


def resized_shape(height: int, width: int, frame: Frame) -> tuple[int, int]:
    """Give the height and width of an image that is resized to fit the content of a frame."""
    factor = min(frame.content_height / height, frame.content_width / width)
    if factor >= 1 and not frame.enlarge:
        return height, width
    return max(1, round(height * factor)), max(1, round(width * factor))


def resize_and_pad(image: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize an image, uint8 of C x h x w, and centre it on the background: C x height x width.

    With an odd margin, the extra pixel is below or right.
    """
    channels, *shape = image.shape
    height, width = resized_shape(shape[0], shape[1], frame)
    if [height, width] != shape:
        picture = Image.fromarray(image[0] if channels == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1)))
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)  # when it shrinks, Pillow averages areas
        image = np.moveaxis(np.atleast_3d(np.asarray(picture)), -1, 0)
    return frame.centred(image[None])[0]


def resize_and_pad_all(images: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize and pad uint8 images of N x C x H x W, with 1 or 3 channels, to the frame's N x C x height x width."""
    images = to_channels(images, frame.channels)
    height, width = images.shape[2:]
    if resized_shape(height, width, frame) == (height, width):
        return frame.centred(images)
    result = frame.empty(len(images))
    for index, image in enumerate(images):
        result[index] = resize_and_pad(image, frame)
    return result


def to_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Convert images, uint8 of N x C x H x W, to grey (1 channel) or to colour (3, grey repeated)."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=1)
    result = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    step = max(CHUNK_PIXELS // (images.shape[2] * images.shape[3]), 1)
    for start in range(0, len(images), step):
        red, green, blue = np.moveaxis(images[start : start + step], 1, 0).astype(np.uint32)
        result[start : start + step, 0] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16  # as in Pillow
    return result
