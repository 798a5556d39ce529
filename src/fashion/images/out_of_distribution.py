"""Images of other things than those of the training data, to test how well a model detects them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PER_KIND = 500  # number of images of each kind
ANGLES = (-12, -4, 4, 12)  # of letters, in degrees
HEIGHTS = (0.6, 0.7, 0.8, 0.9, 1.0)  # of letters, as fractions of the image
CROP = 32  # pixels a side of the crops from photographs, which give 520
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def ood_images(side: int) -> dict[str, np.ndarray]:
    """Give images by kind: digits, letters, photographs and noise, uint8 of N x side x side each.

    They are the same in every run. Digits and photographs come with scikit-learn: nothing is downloaded.
    """
    noise = np.random.default_rng(0).integers(0, 256, (PER_KIND, side, side), dtype=np.uint8)
    kinds = {"digits": digits(side), "letters": letters(side), "photographs": photographs(side), "noise": noise}
    return {
        kind: images[np.linspace(0, len(images), PER_KIND, endpoint=False).astype(int)]
        for kind, images in kinds.items()
    }


def digits(side: int) -> np.ndarray:
    """Resize scikit-learn's handwritten digits, of 8x8 pixels."""
    from sklearn.datasets import load_digits  # takes a second, and only the final model's evaluation needs it

    images = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in images])


def letters(side: int) -> np.ndarray:
    """Draw capital letters, white on black, in all `HEIGHTS` and rotated by all `ANGLES`."""
    images = []
    for letter in LETTERS:
        for height in HEIGHTS:
            image = Image.new("L", (side, side))
            font = ImageFont.load_default(height * side)
            ImageDraw.Draw(image).text((side / 2, side / 2), letter, fill=255, font=font, anchor="mm")
            images += [np.asarray(image.rotate(angle, Image.Resampling.BILINEAR)) for angle in ANGLES]
    return np.stack(images)


def photographs(side: int) -> np.ndarray:
    """Cut scikit-learn's two photographs, of a temple and a flower, into crops; make them grey and resize them."""
    from sklearn.datasets import load_sample_images

    crops: list[np.ndarray] = []
    for photograph in load_sample_images().images:
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        rows, columns = (length // CROP for length in grey.shape)
        grid = grey[: rows * CROP, : columns * CROP].reshape(rows, CROP, columns, CROP)
        crops += list(grid.swapaxes(1, 2).reshape(-1, CROP, CROP))
    return np.stack([np.asarray(Image.fromarray(crop).resize((side, side))) for crop in crops])
