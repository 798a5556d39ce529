"""List image files in folders: which files are images, and which classes the folders name."""

from pathlib import Path

from PIL import Image

from fashion.errors import InputError
from fashion.sources.image_file import FORMATS, MAX_SIDE, is_image, read_image, read_shape

__all__ = ["MAX_SIDE", "list_classes", "list_images", "name_some", "read_image", "read_shape"]

IGNORED_FILES = {"thumbs.db", "desktop.ini"}  # written by operating systems, as are names that begin with a dot
SUFFIXES = {suffix for suffix, name in Image.registered_extensions().items() if name in {*FORMATS, "MPO"}}
OTHER_SUFFIXES = {".heic", ".heif", ".svg", ".jxl", ".dng", ".cr2", ".nef", ".tga", ".ico", ".psd", ".exr", ".avif"}
MAX_NAMED = 3  # files that a message names; it counts the others


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the images of a folder by name, and its files that are no images, which are skipped.

    A file is an image if its name ends like one, or if its content is one, whatever its name: a file that should be an
    image and cannot be read is an error of the reader, and is never skipped. Files of operating systems are in neither
    list. InputError if the folder is empty, or has anything but files.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path in list_entries(folder, "images"):
        if path.is_dir():
            raise InputError(f"{path}: a folder among images; move its images up, or remove it")
        if not path.is_file():
            raise InputError(f"{path}: not a file; remove it")
        taken = path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES or is_image(path)
        (images if taken else others).append(path)
    return images, others


def list_classes(folder: Path, *, nested: bool = False) -> tuple[dict[str, list[Path]], list[Path]]:
    """List the images of each class by the names of its folder, and the files that are no images.

    nested: a class is a folder with images at any depth, named by its path, as `animals/cat`. InputError for anything
    but folders of images.
    """
    classes: dict[str, list[Path]] = {}
    skipped = []
    for path in list_entries(folder, "a folder for each class, with its images"):
        if not path.is_dir():
            if path.suffix.lower() not in SUFFIXES | OTHER_SUFFIXES and not is_image(path):
                skipped.append(path)
                continue
            raise InputError(f"{path}: not in the folder of a class; move it into one, or remove it")
        if nested and any(entry.is_dir() for entry in list_entries(path, "images")):
            inner, others = list_classes(path, nested=True)
            classes |= {f"{path.name}/{name}": images for name, images in inner.items()}
        else:
            classes[path.name], others = list_images(path)
        skipped += others
    return classes, skipped


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


def name_some(paths: list[Path]) -> str:
    """Name the first few of some files, and count the others.

    >>> name_some([Path("a.txt"), Path("b.txt")])
    'a.txt, b.txt'
    """
    named = ", ".join(path.name for path in paths[:MAX_NAMED])
    return f"{named} and {len(paths) - MAX_NAMED:,} more" if len(paths) > MAX_NAMED else named
