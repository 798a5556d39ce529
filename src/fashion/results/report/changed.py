"""Show one test image under each change whose accuracy the report has."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from fashion.images.robustness import corrupted_images
from fashion.results.report.contents import Results
from fashion.results.report.formats import data_uri


def changed_images(results: Results, place: int) -> dict[tuple[str, str], str]:
    """Change an image as the robustness test does; give data URIs by change and amount.

    place: of the image in the sprite sheet. Pixels from outside get the colour of its upper left corner.
    """
    image = cut_out(results.sheet, results.answers, place, "L" if results.data["channels"] == 1 else "RGB")
    background = image[:, 0, 0].tolist()
    changed = {("none", ""): image}
    changed |= {(name, amount): images[0] for name, amount, images in corrupted_images(image[None], background)}
    return {key: data_uri(encode(array)) for key, array in changed.items()}


def cut_out(sheet: bytes, answers: Mapping[str, Any], place: int, mode: str) -> np.ndarray:
    """Cut an image out of the sprite sheet: uint8 of C x H x W. mode: of Pillow, for grey or colour."""
    row, column = divmod(place, answers["columns"])
    height, width = answers["height"], answers["width"]
    with Image.open(io.BytesIO(sheet)) as picture:
        box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
        part = np.asarray(picture.convert(mode).crop(box))
    return part[None] if part.ndim == 2 else part.transpose(2, 0, 1)


def encode(image: np.ndarray) -> bytes:
    """Encode an image of C x H x W as PNG, uncompressed: compressors of other versions would write other bytes."""
    file = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(file, "PNG", compress_level=0)
    return file.getvalue()
