"""Images to label, as people have them: image files, folders of them, CSV tables, NumPy arrays."""

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
from fashion.sources.fitting import fit_images
from fashion.sources.folder import read_grey, read_shape
from fashion.sources.table import read_pixels

Place = str | Path | np.ndarray
"""An image file, a folder, a CSV, a .npy file; or an array of grey levels, of N x H x W."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")  # of what is taken from a folder
TOGETHER = 1000  # images read at a time


@dataclass
class Images:
    """Images of one place: their names, and files to be read or grey levels, uint8 of N x H x W."""

    names: list[str]
    content: list[Path] | np.ndarray

    def framed(self, part: slice, frame: Frame) -> np.ndarray:
        """Read some of them into a model's frame: uint8 of N x side x side."""
        if isinstance(self.content, np.ndarray):
            return framed(self.content[part], frame)
        # One at a time: photographs are large.
        return np.concatenate([framed(np.asarray(read_grey(path)[0])[None], frame) for path in self.content[part]])


def framed(images: np.ndarray, frame: Frame) -> np.ndarray:
    """Bring grey levels, uint8 of N x H x W, into a model's frame: N x side x side.

    What has its size and its black margin already, as the arrays of the stages have, is left as it is.
    """
    result = frame.centred(fit_images(images, frame.content, enlarge=frame.enlarge))
    if images.shape[1:] == (frame.side, frame.side):
        before, after = frame.margin()
        inside = images[:, before : frame.side - after, before : frame.side - after]
        done = images.sum((1, 2), dtype=np.int64) == inside.sum((1, 2), dtype=np.int64)
        result[done] = images[done]
    return result


def read_in_parts(found: Sequence[Images], frame: Frame) -> Iterator[np.ndarray]:
    """Read all images, some at a time, into a model's frame."""
    for images in found:
        for start in range(0, len(images.names), TOGETHER):
            yield images.framed(slice(start, start + TOGETHER), frame)


def find(places: Sequence[Place]) -> list[Images]:
    """Find all images and look at what is cheap to check; InputError names what cannot be used."""
    found = [find_in(place) for place in places]
    if not found:
        raise InputError("no images: name image files, folders, .csv or .npy files")
    return found


def find_in(place: Place) -> Images:
    """Find the images of one place."""
    if isinstance(place, np.ndarray):
        images = as_images(place, "array")
        return Images([str(number) for number in range(len(images))], images)
    try:
        return find_at(Path(place))
    except (OSError, RecursionError) as error:  # folders within each other, a thousand deep
        reason = error.strerror if isinstance(error, OSError) else "too many folders within each other"
        raise InputError(f"{place}: {reason}; name another") from None


def find_at(path: Path) -> Images:
    """Find the images of a folder or a file."""
    name = shown(path)
    if FORMULA.match(name):
        raise InputError(f"{name}: a spreadsheet would take this name for a formula; rename it, or give its whole path")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if is_image(file))
        if not files:
            raise InputError(f"{name}: no images in this folder; they end in {', '.join(SUFFIXES)}")
    elif not path.exists():
        raise InputError(f"{name}: no such file or folder")
    elif path.suffix.lower() == ".npy":
        images = read_npy(path)
        return Images([f"{name}:{number}" for number in range(len(images))], images)
    elif path.suffix.lower() == ".csv":
        images, ids = read_pixels(path)
        return Images([f"{name}:{which}" for which in ids], images)
    else:
        files = [path]
    for file in files:
        read_shape(file)
    return Images([shown(file) for file in files], files)


def shown(path: Path) -> str:
    """Give a file's name as tables have it: in one line of UTF-8, with escapes for what is neither."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), name)


def is_image(path: Path) -> bool:
    """Tell by its name whether a file in a folder is an image, and not what an operating system left beside one."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read_npy(path: Path) -> np.ndarray:
    """Map the images of an .npy file into memory."""
    try:
        require_file(path)
        with warnings.catch_warnings(action="error"):  # of a size beyond 64 bits
            array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; save it with numpy.save") from None
    except Exception as error:  # whatever a damaged header makes of Python's own parser
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not an array that NumPy can read ({reason}); save it with numpy.save") from None
    return as_images(array, str(path))


def as_images(array: np.ndarray, where: str) -> np.ndarray:
    """Require grey levels, as bytes, of N x H x W."""
    coloured = array.ndim == 3 and array.shape[2] <= 4  # one image, and no row of images so narrow
    if array.dtype != np.uint8 or array.ndim != 3 or 0 in array.shape or coloured:
        raise InputError(
            f"{where}: {array.dtype} of {'x'.join(map(str, array.shape))}; expected grey levels from 0 to 255 "
            "as uint8, of images x height x width, also for a single image"
        )
    return array
