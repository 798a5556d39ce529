"""Images of what hardly anyone trains for, to see whether a model tells them from those that it knows."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SOME = 500  # of each kind
TURNS = (-12, -4, 4, 12)  # degrees
HEIGHTS = (0.6, 0.7, 0.8, 0.9, 1.0)  # of letters, as a share of an image
PIECE = 32  # pixels a side of a photograph's pieces: there are 520
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def strangers(side: int) -> dict[str, np.ndarray]:
    """Give images by what they show: digits and photographs of scikit-learn, letters, noise; uint8 of N x side x side.

    They need no network, and are the same each time.
    """
    noise = np.random.default_rng(0).integers(0, 256, (SOME, side, side), dtype=np.uint8)
    kinds = {"digits": digits(side), "letters": letters(side), "photographs": photographs(side), "noise": noise}
    return {
        name: images[np.linspace(0, len(images), SOME, endpoint=False).astype(int)] for name, images in kinds.items()
    }


def digits(side: int) -> np.ndarray:
    """Give handwritten digits of 8x8 pixels, enlarged."""
    from sklearn.datasets import load_digits  # takes a second, and is for the final model alone

    found = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in found])


def letters(side: int) -> np.ndarray:
    """Give white capitals on black, in several sizes, turned a little."""
    drawn = []
    for letter in LETTERS:
        for height in HEIGHTS:
            image = Image.new("L", (side, side))
            font = ImageFont.load_default(height * side)
            ImageDraw.Draw(image).text((side / 2, side / 2), letter, fill=255, font=font, anchor="mm")
            drawn += [np.asarray(image.rotate(turn, Image.Resampling.BILINEAR)) for turn in TURNS]
    return np.stack(drawn)


def photographs(side: int) -> np.ndarray:
    """Give pieces of two photographs, of a temple and a flower, shrunk or enlarged."""
    from sklearn.datasets import load_sample_images

    pieces: list[np.ndarray] = []
    for photograph in load_sample_images().images:
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        high, wide = (length // PIECE for length in grey.shape)
        cut = grey[: high * PIECE, : wide * PIECE].reshape(high, PIECE, wide, PIECE)
        pieces += list(cut.swapaxes(1, 2).reshape(-1, PIECE, PIECE))
    return np.stack([np.asarray(Image.fromarray(piece).resize((side, side))) for piece in pieces])
