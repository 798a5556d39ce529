"""Read image files (PNG, JPEG, BMP, WebP, TIFF) from `train/CLASS/FILES` and `evaluate/FILES`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fashion.errors import InputError
from fashion.files import require_file

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
MAX_PIXELS = 50_000_000  # of an image; more may be a decompression bomb
MAX_SIDE = 65_535  # pixels, as in JPEG: Pillow needs 25 bytes for each row, besides the pixels
IGNORED_FILES = {"thumbs.db", "desktop.ini"}  # written by operating systems, as are names that begin with a dot
GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}  # Pillow's modes without colour


def list_classes(folder: Path) -> dict[str, list[Path]]:
    """List the images of each class by the names of its folder; InputError for anything but folders of images."""
    images = {}
    for path in list_entries(folder, "a folder for each class, with its images"):
        if not path.is_dir():
            raise InputError(f"{path}: not in the folder of a class; move it into one, or remove it")
        images[path.name] = list_images(path)
    return images


def list_images(folder: Path) -> list[Path]:
    """List the files of a folder by name; InputError if it is empty or has anything but files."""
    paths = list_entries(folder, "images")
    for path in paths:
        if path.is_dir():
            raise InputError(f"{path}: a folder among images; move its images up, or remove it")
        if not path.is_file():
            raise InputError(f"{path}: not a file; remove it")
    return paths


def list_entries(folder: Path, expected: str) -> list[Path]:
    """List the entries of a folder by name, without files of operating systems; InputError if there is none."""
    try:
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; put {expected} there, or set ingest.source in params.yaml. "
                "In a queued experiment only what `dvc add` tracks is there"
            )
        paths = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in IGNORED_FILES]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; make it readable") from None
    if not paths:
        raise InputError(f"{folder}: empty; put {expected} there")
    return sorted(paths)


def read_shape(path: Path) -> tuple[int, int]:
    """Give the longer and the shorter side of an image, in pixels; reads only the header."""
    with open_image(path) as image:
        return max(image.size), min(image.size)


def read_grey(path: Path) -> tuple[Image.Image, bool]:
    """Read an image as grey; give it, and whether the file has colour.

    It is turned upright by its EXIF orientation; transparent parts become black.
    """
    with open_image(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
    has_colour = upright.mode not in GREY_MODES
    if upright.mode == "F":
        raise InputError(f"{path}: has floating-point pixels; save it with 8 or 16 bits per pixel")
    if upright.mode.startswith("I"):
        levels = np.asarray(upright)
        levels = levels >> 8 if levels.max() > 255 else levels
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)), has_colour
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
        upright = Image.alpha_composite(black, upright)
    return upright.convert("L"), has_colour


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image in one of `FORMATS`; all errors, also of the block, become InputError."""
    try:
        require_file(path)
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise InputError(
                    f"{path}: {image.width}x{image.height} pixels, more than {MAX_PIXELS:,} in total "
                    f"or {MAX_SIDE:,} on a side; save a smaller copy"
                )
            if getattr(image, "is_animated", False):  # to count the frames takes half a minute in a TIFF of 60,000
                raise InputError(f"{path}: has several pages or frames; save each as a file of its own")
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image in a known format ({', '.join(FORMATS)}); remove it") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: more than {MAX_PIXELS:,} pixels; save a smaller copy") from None
    except InputError:
        raise
    except Exception as error:  # Pillow raises many types for damaged files
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise InputError(f"{path}: damaged or truncated ({reason}); remove it, or replace it by a good copy") from None
