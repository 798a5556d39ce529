"""Images of other things than those of the training data, to test how well a model detects them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fashion.settings.frame import Frame

PER_KIND = 500  # number of images of each kind
ANGLES = (-12, -4, 4, 12)  # of letters, in degrees
HEIGHTS = (0.6, 0.7, 0.8, 0.9, 1.0)  # of letters, as fractions of the image
CROP = 32  # pixels a side of the crops from photographs, which give 520
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def ood_images(frame: Frame) -> dict[str, np.ndarray]:
    """Give images by kind: digits, letters, photographs and noise, uint8 of N x C x height x width each.

    They are the same in every run, and fill the content of the frame; the margin is its background. Digits and letters
    are light on dark backgrounds, and dark on light ones. Digits and photographs come with scikit-learn: nothing is
    downloaded.
    """
    size = (frame.content_width, frame.content_height)
    mode = "L" if frame.channels == 1 else "RGB"
    noise_shape = (PER_KIND, frame.channels, frame.content_height, frame.content_width)
    light = sum(frame.background) >= 128 * frame.channels
    kinds = {
        "digits": to_arrays(digits(), size, mode, inverted=light),
        "letters": to_arrays(letters(max(size)), size, mode, inverted=light),
        "photographs": to_arrays(photographs(), size, mode),
        "noise": np.random.default_rng(0).integers(0, 256, noise_shape, dtype=np.uint8),
    }
    return {kind: frame.centred(images) for kind, images in kinds.items()}


def to_arrays(images: list[Image.Image], size: tuple[int, int], mode: str, *, inverted: bool = False) -> np.ndarray:
    """Convert and resize `PER_KIND` evenly spaced images, as (width, height): uint8 of N x C x height x width."""
    chosen = np.linspace(0, len(images), PER_KIND, endpoint=False).astype(int)
    arrays = np.stack([np.asarray(images[index].convert(mode).resize(size)) for index in chosen])
    arrays = arrays[:, None] if arrays.ndim == 3 else arrays.transpose(0, 3, 1, 2)
    return 255 - arrays if inverted else arrays


def digits() -> list[Image.Image]:
    """Give scikit-learn's handwritten digits, light on black, of 8x8 pixels."""
    from sklearn.datasets import load_digits  # takes a second, and only the final model's evaluation needs it

    return [Image.fromarray(image) for image in np.rint(load_digits().images * 255 / 16).astype(np.uint8)]


def letters(side: int) -> list[Image.Image]:
    """Draw capital letters, white on black, in all `HEIGHTS` and rotated by all `ANGLES`."""
    images = []
    for letter in LETTERS:
        for height in HEIGHTS:
            image = Image.new("L", (side, side))
            font = ImageFont.load_default(height * side)
            ImageDraw.Draw(image).text((side / 2, side / 2), letter, fill=255, font=font, anchor="mm")
            images += [image.rotate(angle, Image.Resampling.BILINEAR) for angle in ANGLES]
    return images


def photographs() -> list[Image.Image]:
    """Cut scikit-learn's two photographs, of a temple and a flower, into crops."""
    from sklearn.datasets import load_sample_images

    crops = []
    for photograph in load_sample_images().images:
        rows, columns = (length // CROP for length in photograph.shape[:2])
        for top in range(0, rows * CROP, CROP):
            crops += [
                Image.fromarray(photograph[top : top + CROP, left : left + CROP])
                for left in range(0, columns * CROP, CROP)
            ]
    return crops
