"""Find and read images to label: image files, folders, CSV tables, IDX files, .npy files and NumPy arrays."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.fields import CONTROL, FORMULA
from fashion.settings.frame import Frame
from fashion.sources.folder import IGNORED_FILES, is_input
from fashion.sources.idx import is_idx, read_idx_images
from fashion.sources.image_file import open_image, read_image
from fashion.sources.resizing import resize_and_pad, resize_and_pad_all, to_channels
from fashion.sources.survey import summarize_faults
from fashion.sources.table import read_pixels

ImageSource = str | Path | np.ndarray
"""The path of an image file, a folder, or a CSV, IDX or .npy file; or an array of levels, uint8 of N x H x W (grey),
N x C x H x W or N x H x W x C, with 1 or 3 channels."""

BATCH_SIZE = 1000  # images read at a time


@dataclass
class ImageList:
    """The images of one source: their names, and either their files or their levels, uint8 of N x C x H x W.

    skipped: names of files in a folder that are no images. deep: names of images with more than 8 bits.
    """

    names: list[str]
    content: list[Path] | np.ndarray
    skipped: list[str] = field(default_factory=list)
    deep: list[str] = field(default_factory=list)


def read_batches(image_lists: Sequence[ImageList], frame: Frame) -> Iterator[np.ndarray]:
    """Read all images in batches, and fit them to a model's frame: uint8 of N x C x height x width.

    InputError if files cannot be read: all are tried; it describes the first few, and counts the others.
    """
    faults: list[str] = []
    for image_list in image_lists:
        starts = range(0, len(image_list.names), BATCH_SIZE)
        if isinstance(image_list.content, np.ndarray):
            batches = [image_list.content[start : start + BATCH_SIZE] for start in starts]
            framed = all(is_framed(to_channels(batch, frame.channels), frame) for batch in batches)
            for batch in () if faults else batches:
                yield to_channels(batch, frame.channels) if framed else resize_and_pad_all(batch, frame)
            continue
        for start in starts:
            images = frame.empty(len(image_list.content[start : start + BATCH_SIZE]))
            for index in range(len(images)):  # one at a time, since photographs are large
                path = image_list.content[start + index]
                try:
                    images[index] = resize_and_pad(read_image(path, frame), frame)
                except InputError as error:
                    faults.append(str(error))
            if not faults:
                yield images
    raise_faults(faults)


def is_framed(images: np.ndarray, frame: Frame) -> bool:
    """Tell whether images, uint8 of N x C x H x W, all have a frame's size and its margin, as in the stages' arrays."""
    if images.shape[2:] != (frame.height, frame.width):
        return False
    top, bottom, left, right = frame.margins()
    is_margin = np.ones((frame.height, frame.width), bool)
    is_margin[top : frame.height - bottom, left : frame.width - right] = False
    return bool((images[:, :, is_margin] == np.array(frame.background, np.uint8)[:, None]).all())


def find_images(sources: Sequence[ImageSource], frame: Frame | None = None) -> list[ImageList]:
    """Find all images, and check what is cheap to check; InputError if sources or files cannot be used.

    frame: of the model that is to label them, which tells the shape of images in a table.
    """
    image_lists: list[ImageList] = []
    faults: list[str] = []
    for source in sources:
        try:
            image_lists.append(find_in_source(source, frame))
        except InputError as error:
            faults.append(str(error))
            continue
        images = image_lists[-1]
        for name, path in (
            [] if isinstance(images.content, np.ndarray) else zip(images.names, images.content, strict=True)
        ):
            try:
                with open_image(path) as image:  # the header is valid
                    if image.mode.startswith("I"):
                        images.deep.append(name)
            except InputError as error:
                faults.append(str(error))
    raise_faults(faults)
    if not image_lists:
        raise InputError("no images: give image files, folders, .csv, .npy or IDX files")
    return image_lists


def raise_faults(faults: list[str]) -> None:
    if faults:
        raise InputError(summarize_faults(faults))


def find_in_source(source: ImageSource, frame: Frame | None) -> ImageList:
    """Find the images of one source."""
    if isinstance(source, np.ndarray):
        images = check_images(source, "array")
        return ImageList([str(index) for index in range(len(images))], images)
    try:
        return find_in_path(Path(source), frame)
    except (OSError, RecursionError) as error:  # RecursionError: folders nested a thousand deep
        reason = error.strerror if isinstance(error, OSError) else "folders are nested too deeply"
        raise InputError(f"{source}: {reason}; give another file or folder") from None


def find_in_path(path: Path, frame: Frame | None) -> ImageList:
    """Find the images of a folder or a file."""
    name = printable_name(path)
    if FORMULA.match(name):
        raise InputError(f"{name}: a spreadsheet would take this name for a formula; rename it, or give its full path")
    if path.is_dir():
        return find_in_folder(path)
    if not path.exists():
        raise InputError(f"{name}: no such file or folder")
    require_file(path)
    if path.suffix.lower() == ".npy":
        images = read_npy(path)
        return ImageList([f"{name}:{index}" for index in range(len(images))], images)
    if path.suffix.lower() == ".csv":
        images, ids = read_pixels(path, frame)
        return ImageList([f"{name}:{image_id}" for image_id in ids], images)
    if is_idx(path):
        images = read_idx_images(path)
        return ImageList([f"{name}:{index}" for index in range(len(images))], images)
    return ImageList([name], [path])


def find_in_folder(folder: Path) -> ImageList:
    """Find the images in a folder and the folders in it, by the rule of `fashion.sources.folder`.

    Hidden files and folders are left out; a link to nothing is skipped like a file that is no image.
    """
    images: list[Path] = []
    skipped: list[Path] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part[0] == "." for part in path.relative_to(folder).parts)
        if hidden or path.name.lower() in IGNORED_FILES:
            continue
        if path.is_symlink() and not path.exists():
            skipped.append(path)
        elif path.is_file():
            (images if is_input(path) else skipped).append(path)
    names, skipped_names = ([printable_name(path) for path in paths] for paths in (images, skipped))
    if not images:
        found = f"; files that are no images: {len(skipped)}, the first {skipped_names[0]}" if skipped else ""
        raise InputError(f"{printable_name(folder)}: no images in this folder{found}; give tables and arrays by name")
    return ImageList(names, images, skipped_names)


def printable_name(path: Path) -> str:
    """Give a path for tables and terminals: escape control characters, line breaks and bytes that are not UTF-8."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), name)


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
    """Check that an array has images of levels, see `ImageSource`; give it as N x C x H x W.

    Where both could be channels, those before height and width are. InputError starts with `name`.
    """
    if array.dtype == np.uint8 and 0 not in array.shape:
        if array.ndim == 3 and array.shape[2] > 4:  # a width of 1 to 4 means the channels of a single image
            return array[:, None]
        if array.ndim == 4 and array.shape[1] in (1, 3):
            return array
        if array.ndim == 4 and array.shape[3] in (1, 3):
            return np.moveaxis(array, 3, 1)
    raise InputError(
        f"{name}: {array.dtype} of {'x'.join(map(str, array.shape))}; expected levels from 0 to 255 as uint8, of "
        "images x height x width, or with 1 or 3 channels before or after height x width, also for a single image"
    )
