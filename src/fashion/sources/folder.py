"""Images as files: `train/CLASS/FILES`, whose folders name the classes, and `evaluate/FILES`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fashion.errors import InputError
from fashion.files import require_file

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
MOST_PIXELS = 50_000_000  # of an image: what announces more is a bomb, or needs a smaller copy
LONGEST = 65_535  # pixels a side, as in JPEG: Pillow takes 25 bytes a row beside the pixels
LITTER = {"thumbs.db", "desktop.ini"}  # and all that begins with a dot: put there by operating systems
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}  # modes without colour, as Pillow names them


def list_classes(folder: Path) -> dict[str, list[Path]]:
    """List the images of each class, by the names of their folders; InputError where something else lies there."""
    found = {}
    for place in entries(folder, "a folder for each class, with its images"):
        if not place.is_dir():
            raise InputError(f"{place}: lies beside the folders of classes; move it into one of them, or away")
        found[place.name] = list_images(place)
    return found


def list_images(folder: Path) -> list[Path]:
    """List the image files of a folder by name; InputError where there is none, or something else."""
    found = entries(folder, "images")
    for place in found:
        if place.is_dir():
            raise InputError(f"{place}: a folder among images; move its images up, or it away")
        if not place.is_file():
            raise InputError(f"{place}: not a file; remove it")
    return found


def entries(folder: Path, wanted: str) -> list[Path]:
    """List what lies in a folder, by name, but for what operating systems leave; InputError where nothing does."""
    try:
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; put {wanted} there, or set ingest.source in params.yaml. "
                "In a queued experiment only what `dvc add` tracks is there"
            )
        found = [place for place in folder.iterdir() if place.name[0] != "." and place.name.lower() not in LITTER]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; make it readable") from None
    if not found:
        raise InputError(f"{folder}: empty; put {wanted} there")
    return sorted(found)


def read_shape(path: Path) -> tuple[int, int]:
    """Give the longer and the shorter side of an image in pixels, whatever way up it is; from its header alone."""
    with opened(path) as image:
        return max(image.size), min(image.size)


def read_grey(path: Path) -> tuple[Image.Image, bool]:
    """Read an image the right way up and make it grey, transparent parts black; tell whether it had colour."""
    with opened(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
    colour = upright.mode not in GREY
    if upright.mode == "F":
        raise InputError(f"{path}: has fractions for pixels; save it with 8 or 16 bits a pixel")
    if upright.mode.startswith("I"):
        levels = np.asarray(upright)
        levels = levels >> 8 if levels.max() > 255 else levels
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)), colour
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
        upright = Image.alpha_composite(black, upright)
    return upright.convert("L"), colour


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image of one of the known formats; whatever is wrong with it becomes an InputError."""
    try:
        require_file(path)
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS or max(image.size) > LONGEST:
                raise InputError(
                    f"{path}: announces {image.width}x{image.height} pixels, more than {MOST_PIXELS:,} "
                    f"or {LONGEST:,} a side; save a smaller copy"
                )
            if getattr(image, "is_animated", False):  # how many takes half a minute to find in a TIFF of 60,000
                raise InputError(f"{path}: has several pages or frames; save each as a file of its own")
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image in a format known here ({', '.join(FORMATS)}); remove it") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: announces more than {MOST_PIXELS:,} pixels; save a smaller copy") from None
    except InputError:
        raise
    except Exception as error:  # whatever damage makes of Pillow's readers
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise InputError(f"{path}: damaged or cut short ({reason}); remove it, or put a whole one there") from None
