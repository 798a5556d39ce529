"""Find image files in folders: which files are images, and which classes and parts the folders name."""

from pathlib import Path

from PIL import Image

from fashion.errors import InputError
from fashion.settings.ingest import IngestSettings
from fashion.sources.image_file import FORMATS, is_image
from fashion.sources.raw_data import (
    VALIDATION,
    Images,
    RawData,
    Sample,
    check_class_names,
    check_file_name,
    find_validation,
)

IGNORED_FILES = {"thumbs.db", "desktop.ini"}  # written by operating systems, as are names that begin with a dot
SUFFIXES = {suffix for suffix, name in Image.registered_extensions().items() if name in {*FORMATS, "MPO"}}
OTHER_SUFFIXES = {".heic", ".heif", ".svg", ".jxl", ".dng", ".cr2", ".nef", ".tga", ".ico", ".psd", ".exr", ".avif"}
MAX_NAMED = 3  # files that a message names; it counts the others


def is_input(path: Path) -> bool:
    """Tell whether a file is taken as an image: its name ends like one, or its content is one, whatever its name.

    A file that should be an image and cannot be read is an error of the reader; it is not skipped.
    """
    return path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES or is_image(path)


def list_images(folder: Path, *, way_out: str = "move its images up, or remove it") -> tuple[list[Path], list[Path]]:
    """List the images of a folder by name, and its files that are no images, which are skipped.

    Files of operating systems are in neither list. InputError if the folder is empty, or has anything but files;
    way_out: what to do with a folder.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path in list_entries(folder, "images"):
        if path.is_dir():
            raise InputError(f"{path}: a folder among images; {way_out}")
        if not path.is_file():
            raise InputError(f"{path}: not a file; remove it")
        (images if is_input(path) else others).append(path)
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
            if is_input(path):
                raise InputError(
                    f"{path}: not in the folder of a class; move it into one, or into evaluate/ if it is to be "
                    "labelled, or remove it"
                )
            skipped.append(path)
            continue
        if nested and any(entry.is_dir() for entry in list_entries(path, "images")):
            inner, others = list_classes(path, nested=True)
            classes |= {f"{path.name}/{name}": images for name, images in inner.items()}
        else:
            classes[path.name], others = list_images(
                path, way_out="move its images up, or set ingest.classes_from to nested: `make init NESTED=1`"
            )
            if not classes[path.name]:
                raise InputError(f"{path}: no image in it; add images, or remove the folder")
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
        raise InputError(f"{folder}: empty; put {expected} there, or remove it")
    return sorted(paths)


def describe_skipped(paths: list[Path]) -> str:
    """Say how many files are skipped, and name the first few.

    >>> describe_skipped([Path("a.txt"), Path("b.txt")])
    '2 files are skipped, since they are no images: a.txt, b.txt'
    """
    named = ", ".join(path.name for path in paths[:MAX_NAMED])
    more = f" and {len(paths) - MAX_NAMED:,} more" if len(paths) > MAX_NAMED else ""
    if len(paths) == 1:
        return f"1 file is skipped, since it is no image: {named}"
    return f"{len(paths):,} files are skipped, since they are no images: {named}{more}"


def find_in_folders(folder: Path, settings: IngestSettings, classes: list[str] | None) -> RawData:
    """Find image files: train/CLASS and, if they are there, val/CLASS, test/CLASS and evaluate/."""
    nested, skipped, paths = settings.classes_from == "nested", [], {}
    places = {"train": folder / "train", "validation": find_validation([folder / name for name in VALIDATION])}
    for part, place in (places | {"test": folder / "test"}).items():
        if place is not None and (place.exists() or part == "train"):
            refuse_links(place, nested=nested)
            paths[part], others = list_classes(place, nested=nested)
            skipped += others
    classes = check_class_names(folder / "train", sorted(paths["train"]), classes)
    parts = {part: make_images(folder, part, paths.get(part, {}), classes) for part in ("train", "validation", "test")}
    if not parts["validation"].samples:
        parts["train"] = parts["train"].select(list(range(len(parts["train"].samples))), "labelled")
    unlabelled: list[Path] = []
    if (folder / "evaluate").exists():
        refuse_links(folder / "evaluate", nested=False)
        unlabelled, others = list_images(folder / "evaluate")
        skipped += others
    for path in unlabelled:
        check_file_name(path, is_id=True)
    samples = [Sample(path.name, path.relative_to(folder).as_posix(), None, "unlabelled") for path in unlabelled]
    notes = [describe_skipped(skipped)] if skipped else []
    labelled = parts["train"].joined(parts["validation"])
    return RawData(labelled, parts["test"], Images(samples, unlabelled), classes, notes)


def make_images(folder: Path, part: str, by_class: dict[str, list[Path]], classes: list[str]) -> Images:
    """Make samples for image files, in the order of the classes. by_class: the files of each class."""
    if unknown := sorted(set(by_class) - set(classes)):
        first = by_class[unknown[0]][0].parent
        raise InputError(
            f"{first}: {unknown[0]!r} is no class of {folder / 'train'}; add images of it there, or remove it; "
            "images to be labelled belong into evaluate/"
        )
    samples, paths = [], []
    for label, name in enumerate(classes):
        for path in by_class.get(name, []):
            check_file_name(path, is_id=False)
            samples.append(Sample(f"{name}/{path.name}", path.relative_to(folder).as_posix(), label, part))
            paths.append(path)
    return Images(samples, paths)


def refuse_links(folder: Path, *, nested: bool) -> None:
    """Raise InputError for a link to a folder: DVC does not follow it, and would not notice changes behind it."""
    inner = folder.rglob("*") if nested else folder.glob("*")
    for path in (folder.parent, folder, *inner):
        if path.is_symlink() and path.is_dir():
            raise InputError(
                f"{path}: a link to a folder, which DVC does not follow; copy the images there, or run "
                f"`dvc import-url {path.resolve()} {path}` after you removed the link"
            )
