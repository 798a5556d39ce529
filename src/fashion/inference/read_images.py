"""Find and read images to label: image files, folders, CSV tables, .npy files and NumPy arrays."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion.classifier.preparation import Frame
from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import CONTROL, FORMULA
from fashion.sources.folder import read_grey, read_shape
from fashion.sources.resizing import resize_and_pad_all
from fashion.sources.table import read_pixels

ImageSource = str | Path | np.ndarray
"""The path of an image file, a folder, a CSV or .npy file; or an array of grey levels, uint8 of N x H x W."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")  # of the files that are taken from a folder
BATCH_SIZE = 1000  # images read at a time


@dataclass
class ImageList:
    """The images of one source: their names, and either their files or their grey levels, uint8 of N x H x W."""

    names: list[str]
    content: list[Path] | np.ndarray

    def read(self, part: slice, frame: Frame) -> np.ndarray:
        """Read a part of the images and fit them to a model's frame: uint8 of N x side x side."""
        if isinstance(self.content, np.ndarray):
            return fit_to_frame(self.content[part], frame)
        # One at a time, since photographs are large.
        return np.concatenate(
            [fit_to_frame(np.asarray(read_grey(path)[0])[None], frame) for path in self.content[part]]
        )


def fit_to_frame(images: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize and pad images, uint8 of N x H x W, to a model's frame: N x side x side.

    Images that already have the size of the frame and a black margin, as in the arrays of the stages, are not changed.
    """
    result = frame.centred(resize_and_pad_all(images, frame.content_side, enlarge=frame.enlarge))
    if images.shape[1:] == (frame.side, frame.side):
        before, after = frame.margin()
        inside = images[:, before : frame.side - after, before : frame.side - after]
        has_margin = images.sum((1, 2), dtype=np.int64) == inside.sum((1, 2), dtype=np.int64)
        result[has_margin] = images[has_margin]
    return result


def read_batches(image_lists: Sequence[ImageList], frame: Frame) -> Iterator[np.ndarray]:
    """Read all images in batches, and fit them to a model's frame: uint8 of N x side x side."""
    for image_list in image_lists:
        for start in range(0, len(image_list.names), BATCH_SIZE):
            yield image_list.read(slice(start, start + BATCH_SIZE), frame)


def find_images(sources: Sequence[ImageSource]) -> list[ImageList]:
    """Find all images, and check what is cheap to check; InputError if a source cannot be used."""
    image_lists = [find_in_source(source) for source in sources]
    if not image_lists:
        raise InputError("no images: give image files, folders, .csv or .npy files")
    return image_lists


def find_in_source(source: ImageSource) -> ImageList:
    """Find the images of one source."""
    if isinstance(source, np.ndarray):
        images = check_images(source, "array")
        return ImageList([str(index) for index in range(len(images))], images)
    try:
        return find_in_path(Path(source))
    except (OSError, RecursionError) as error:  # RecursionError: folders nested a thousand deep
        reason = error.strerror if isinstance(error, OSError) else "folders are nested too deeply"
        raise InputError(f"{source}: {reason}; give another file or folder") from None


def find_in_path(path: Path) -> ImageList:
    """Find the images of a folder or a file."""
    name = printable_name(path)
    if FORMULA.match(name):
        raise InputError(f"{name}: a spreadsheet would take this name for a formula; rename it, or give its full path")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if is_image(file))
        if not files:
            raise InputError(f"{name}: no images in this folder; they end in {', '.join(SUFFIXES)}")
    elif not path.exists():
        raise InputError(f"{name}: no such file or folder")
    elif path.suffix.lower() == ".npy":
        images = read_npy(path)
        return ImageList([f"{name}:{index}" for index in range(len(images))], images)
    elif path.suffix.lower() == ".csv":
        images, ids = read_pixels(path)
        return ImageList([f"{name}:{image_id}" for image_id in ids], images)
    else:
        files = [path]
    for file in files:
        read_shape(file)
    return ImageList([printable_name(file) for file in files], files)


def printable_name(path: Path) -> str:
    """Give a path for tables and terminals: escape control characters, line breaks and bytes that are not UTF-8."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), name)


def is_image(path: Path) -> bool:
    """Tell by its name whether a file in a folder is an image; hidden files of operating systems are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read_npy(path: Path) -> np.ndarray:
    """Read the images of an .npy file as a memory map."""
    try:
        require_file(path)
        with warnings.catch_warnings(action="error"):  # NumPy warns of sizes beyond 64 bits
            array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; save it with numpy.save") from None
    except Exception as error:  # a damaged header can raise anything in Python's parser
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not an array that NumPy can read ({reason}); save it with numpy.save") from None
    return check_images(array, str(path))


def check_images(array: np.ndarray, name: str) -> np.ndarray:
    """Check that an array has grey levels, uint8 of N x H x W; InputError starts with `name`."""
    is_colour_image = array.ndim == 3 and array.shape[2] <= 4  # a width of 1 to 4 means channels
    if array.dtype != np.uint8 or array.ndim != 3 or 0 in array.shape or is_colour_image:
        raise InputError(
            f"{name}: {array.dtype} of {'x'.join(map(str, array.shape))}; expected grey levels from 0 to 255 "
            "as uint8, of images x height x width, also for a single image"
        )
    return array
