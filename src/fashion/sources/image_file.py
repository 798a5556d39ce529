"""Read an image file of any format and mode as a viewer shows it: upright, its first frame, grey or in colour."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.frame import MAX_SIDE, Frame

Image.init()
FORMATS = tuple(  # AVIF and JPEG 2000 are not in every build of Pillow
    name for name in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF") if name in Image.OPEN
)
MAX_PIXELS = 50_000_000  # of an image; more may be a decompression bomb
MAX_IMAGE_SIDE = 65_535  # pixels, as in JPEG: Pillow needs 25 bytes for each row, besides the pixels
MAX_LEVEL = 65_535  # of 16 bits
ORIENTATION = 0x0112  # EXIF's tag; 5 to 8 exchange height and width
FLOAT_REMEDY = (
    "has floating-point levels; scale all images over one range, the same for each, to 16 bits: "
    "`numpy.clip((x - low) / (high - low) * 65535, 0, 65535).astype('uint16')`"
)


def shape_of(image: Image.Image) -> tuple[int, int]:
    """Give the height and width of an open image as a viewer shows it, in pixels.

    Reads only the header, except of a PNG: EXIF data may follow the pixels, which are then decoded.
    """
    turned = image.format != "TIFF" and image.getexif().get(ORIENTATION) in {5, 6, 7, 8}  # Pillow turns TIFF's size
    return (image.width, image.height) if turned else (image.height, image.width)


def read_image(path: Path, frame: Frame) -> np.ndarray:
    """Read an image with a frame's channels and background, uint8 of C x h x w; h and w are its own.

    Transparent parts show the background. Levels of more than 8 bits are scaled by the frame's levels. A JPEG much
    larger than the frame is decoded at a half, quarter or eighth of its size, which takes a fraction of the time.
    """
    with open_image(path) as image:
        image.draft(None, (2 * max(frame.height, frame.width, MAX_SIDE),) * 2)
        return on_background(decode(image), frame)


def on_background(image: Image.Image, frame: Frame) -> np.ndarray:
    """Give the pixels of a decoded image in a frame's channels and levels, uint8 of C x h x w."""
    if image.mode == "I":
        levels = scale_levels(np.asarray(image), frame.levels)
        return np.repeat(levels[None], frame.channels, axis=0)
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        ground = (frame.background * 3)[:3]
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*ground, 255)), image)
    pixels = np.asarray(image.convert("L" if frame.channels == 1 else "RGB"))
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), -1, 0))


def scale_levels(levels: np.ndarray, ends: list[int]) -> np.ndarray:
    """Scale levels of more than 8 bits to uint8, so that `ends` become 0 and 255.

    Ends of 8 bits come from a data set without deeper images; then all of the 16 bits become 0 to 255.
    """
    low, high = ends if ends[1] > 255 else (0, MAX_LEVEL)
    return ((levels - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)


def decode(image: Image.Image) -> Image.Image:
    """Decode the first frame of an open image, upright, in one of the modes L, LA, RGB, RGBA, and I for 16 bits."""
    image.load()
    image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode == "F":
        raise InputError(FLOAT_REMEDY)
    if mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > MAX_LEVEL:
            raise InputError(
                f"has levels from {levels.min():,} to {levels.max():,}; scale all images by one factor to "
                f"0 to {MAX_LEVEL:,}, and save them with 16 bits a pixel"
            )
        return Image.fromarray(levels.astype(np.int32, copy=False))
    if mode == "LAB":
        return lab_to_rgb(image)
    if mode in ("LA", "La") or (mode in ("1", "L") and image.has_transparency_data):
        return image.convert("LA")
    if image.has_transparency_data or mode == "RGBa":
        return image.convert("RGBA")
    return image.convert("L" if mode in ("1", "L") else "RGB")


def lab_to_rgb(image: Image.Image) -> Image.Image:
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    rgb = ImageCms.applyTransform(image, transform)
    assert rgb is not None  # it is None only for a transform in place
    return rgb


def is_image(path: Path) -> bool:
    """Tell by its content whether a file is an image in one of `FORMATS`; a damaged one is, too."""
    try:
        require_file(path)
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:
            Image.open(io.BytesIO(file.read(1 << 16)), formats=FORMATS)
    except UnidentifiedImageError:
        return False
    except Exception:  # damaged: the reader says how
        return True
    return True


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image in one of `FORMATS`; all errors, also of the block, become InputError that begins with the path."""
    try:
        require_file(path)
        # From a path, Pillow would map an uncompressed TIFF into memory, with the wrong length of rows if it is turned.
        with (
            warnings.catch_warnings(action="ignore"),
            path.open("rb") as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_IMAGE_SIDE:
                raise InputError(
                    f"{image.width}x{image.height} pixels, more than {MAX_PIXELS:,} in total "
                    f"or {MAX_IMAGE_SIDE:,} on a side; save a smaller copy"
                )
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image in a known format ({', '.join(FORMATS)}); {remedy(path)}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: more than {MAX_PIXELS:,} pixels; save a smaller copy") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except MemoryError:  # the machine is at fault, not the file
        raise
    except Exception as error:  # Pillow raises many types for damaged files
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise InputError(f"{path}: damaged or truncated ({reason}); remove it, or replace it by a good copy") from None


def remedy(path: Path) -> str:
    """Say what to do with a file that Pillow does not know."""
    return "convert it to PNG" if path.stat().st_size else "it is empty: remove it, or replace it by a good copy"
