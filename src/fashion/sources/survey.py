"""Look at all images of a data set once, and decide the frame that they are fitted to from the training images."""

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageChops
from tqdm import tqdm

from fashion.errors import InputError
from fashion.settings.frame import MAX_SIDE, Frame, chosen_size
from fashion.settings.ingest import IngestSettings
from fashion.sources.image_file import MAX_LEVEL, decode, open_image, scale_levels, shape_of

T = TypeVar("T")

ALIKE = 1.25  # ratio of two images' proportions, height to width, up to which they are alike
MIN_SHARE_ALIKE = 0.9  # of images that are alike: then arrays have their proportions, else they are square
COLOR_TOLERANCE = 4  # levels between channels of a grey image that was saved as a colour JPEG
OPAQUE = 128  # alpha from which a pixel is of the image, and not of what is behind it
IGNORED = 0.0001, 10  # share of the darkest and brightest pixels, and at least so many: hot ones decide no range
MAX_SAMPLED = 256  # rows and columns of an image that are looked at for its range of levels
MAX_THREADS = min(os.cpu_count() or 1, 8)  # each has an image of up to `MAX_PIXELS` in memory
MAX_NAMED = 3  # faulty files that a message describes; it counts the others


@dataclass(frozen=True)
class Facts:
    """What is known of an image before it is fitted to a frame. Sizes in pixels, levels as in the file.

    digest: of the pixels; equal for equal images. deep: whether it has more than 8 bits. cut_to_8_bits: whether it has
    16 bits a channel in colour, of which Pillow reads the upper 8. transparent: whether any part is. border: median of
    the opaque border, by channel; None if most of the border is transparent. visible: mean level of the opaque part.
    darkest, brightest: levels that one in a thousand opaque pixels are below and above.
    """

    height: int
    width: int
    mode: str
    digest: bytes
    colored: bool
    deep: bool
    cut_to_8_bits: bool
    several_frames: bool
    transparent: bool
    border: tuple[float, ...] | None
    visible: float
    darkest: float
    brightest: float


@dataclass(frozen=True)
class Survey:
    """The facts of all images, in order, and how often each level of more than 8 bits occurs in training images."""

    facts: list[Facts]
    counts: np.ndarray


def survey_files(paths: Sequence[Path], num_training: int) -> Survey:
    """Look at image files, of which the first `num_training` are for training.

    InputError if files cannot be read: all are looked at; it describes the first few, and counts the others.
    """
    facts, faults, counts = [], [], np.zeros(MAX_LEVEL + 1, np.int64)
    for index, result in enumerate(for_each(examine, paths, "looking at images")):
        if isinstance(result, InputError):
            faults.append(str(result))
            continue
        facts.append(result[0])
        if index < num_training and result[1] is not None:
            counts += result[1]
    if faults:
        raise InputError(summarize_faults(faults))
    return Survey(facts, counts)


def for_each(function: Callable[[Path], T], paths: Sequence[Path], description: str) -> Iterator[T | InputError]:
    """Call a function for files side by side; yield its results, or the InputErrors that it raises, in order.

    Shows a progress bar after 2 s.
    """

    def call(path: Path) -> T | InputError:
        try:
            return function(path)
        except InputError as error:
            return error

    # Threads share Python's filters of warnings: those that `open_image` restores must be these.
    with warnings.catch_warnings(action="ignore"), ThreadPool(MAX_THREADS) as pool:
        yield from tqdm(
            pool.imap(call, paths),
            desc=description,
            total=len(paths),
            unit=" images",
            delay=2,
            mininterval=1,
            leave=False,
        )


def summarize_faults(faults: Sequence[str]) -> str:
    """Put the messages of faulty files into one line.

    >>> summarize_faults(["a.png: empty", "b.png: empty"])
    '2 files cannot be used: a.png: empty | b.png: empty'
    """
    if len(faults) == 1:
        return faults[0]
    more = f" | and {len(faults) - MAX_NAMED:,} more" if len(faults) > MAX_NAMED else ""
    return f"{len(faults):,} files cannot be used: {' | '.join(faults[:MAX_NAMED])}{more}"


def examine(path: Path) -> tuple[Facts, np.ndarray | None]:
    """Give the facts of an image file, and how often each level occurs if it has more than 8 bits."""
    with open_image(path) as opened:
        mode, several_frames = opened.mode, getattr(opened, "is_animated", False)
        layouts = [tile.args for tile in getattr(opened, "tile", ())]  # of the file, until it is decoded
        height, width = shape_of(opened)
        opened.draft(None, (2 * MAX_SIDE,) * 2)
        image = decode(opened)
    array = np.asarray(image)
    digest = hashlib.blake2b(repr((image.mode, image.size)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)  # without a copy: photographs are large
    pixels, opaque = np.atleast_3d(array), None
    if image.mode in ("LA", "RGBA"):
        pixels, opaque = pixels[..., :-1], pixels[..., -1] >= OPAQUE
    border = around(pixels)
    opaque_border = border if opaque is None else border[around(opaque)]
    step = max(max(image.size) // MAX_SAMPLED, 1)
    sample = pixels[::step, ::step].mean(2).ravel()
    if opaque is not None:
        sample = sample[opaque[::step, ::step].ravel()]
    darkest, brightest = np.percentile(sample, (0.1, 99.9)) if len(sample) else (0, 0)
    facts = Facts(
        height=height,
        width=width,
        mode=mode,
        digest=digest.digest(),
        colored=image.mode in ("RGB", "RGBA") and has_color(image),
        deep=image.mode == "I",
        cut_to_8_bits=";16" in str(layouts) and image.mode != "I",
        several_frames=several_frames,
        transparent=opaque is not None and not opaque.all(),
        border=tuple(np.median(opaque_border, axis=0)) if 2 * len(opaque_border) >= len(border) else None,
        visible=float(sample.mean()) if len(sample) else 0.0,
        darkest=float(darkest),
        brightest=float(brightest),
    )
    return facts, np.bincount(pixels.ravel(), minlength=MAX_LEVEL + 1) if facts.deep else None


def around(pixels: np.ndarray) -> np.ndarray:
    """Give the pixels along the border of an image of H x W, or H x W x C, as N, or N x C."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def has_color(image: Image.Image) -> bool:
    """Tell whether channels of an RGB or RGBA image differ where it is opaque; Pillow's C code takes a millisecond."""
    if image.mode == "RGBA":
        mask = image.getchannel("A").point([0] * OPAQUE + [255] * (256 - OPAQUE))
        image = Image.composite(image.convert("RGB"), Image.new("RGB", image.size), mask)
    red, green, blue = image.split()
    spreads = (ImageChops.difference(*pair).getextrema()[1] for pair in ((red, green), (green, blue), (red, blue)))
    return any(spread > COLOR_TOLERANCE for spread in spreads)  # type: ignore[operator]


def survey_arrays(arrays: Iterable[np.ndarray]) -> Survey:
    """Look at arrays of images, uint8 of N x C x H x W."""
    facts = []
    for images in arrays:
        count, channels, height, width = images.shape
        sides = [images[:, :, 0], images[:, :, -1], images[:, :, 1:-1, 0], images[:, :, 1:-1, -1]]
        borders = np.median(np.concatenate(sides, axis=2), axis=2)
        pixels = images.reshape(count, channels * height * width)
        colored = [channels == 3 and bool(np.ptp(image, axis=0).max() > COLOR_TOLERANCE) for image in images]
        facts += [
            Facts(
                height=height,
                width=width,
                mode="L" if channels == 1 else "RGB",
                digest=hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest(),
                colored=has_color,
                deep=False,
                cut_to_8_bits=False,
                several_frames=False,
                transparent=False,
                border=tuple(border),
                visible=0.0,
                darkest=float(darkest),
                brightest=float(brightest),
            )
            for image, has_color, border, darkest, brightest in zip(
                images, colored, borders, pixels.min(1), pixels.max(1), strict=True
            )
        ]
    return Survey(facts, np.zeros(1, np.int64))


def decide_frame(survey: Survey, num_training: int, settings: IngestSettings) -> Frame:
    """Decide the frame from the first `num_training` images, the training images, and the settings."""
    training = survey.facts[:num_training]
    gray = settings.color == "gray" or (settings.color == "auto" and not any(facts.colored for facts in training))
    levels = decide_levels(survey.counts)
    if settings.background == "auto":
        background = decide_background(training, levels)
    else:
        given = settings.background
        background = given if isinstance(given, list) else [given] * 3
    if gray:
        background = [int(np.asarray(Image.new("RGB", (1, 1), tuple(background)).convert("L"))[0, 0])]
    height, width = decide_size(training, settings)
    enlarge = settings.fit == "resize"
    frame = Frame(
        channels=1 if gray else 3,
        height=height,
        width=width,
        content_height=height,
        content_width=width,
        enlarge=enlarge,
        background=background,
        levels=levels,
    )
    return frame.model_copy(update=decide_content(training, frame))


def decide_levels(counts: np.ndarray) -> list[int]:
    """Give the levels that become 0 and 255, from how often each level of more than 8 bits occurs.

    All 16 bits for images that fill at least half of them, or else the range that all but a few pixels are in. Without
    such images [0, 255].
    """
    total = np.cumsum(counts)
    if not total[-1]:
        return [0, 255]
    ignored = min(max(IGNORED[0] * total[-1], IGNORED[1]), total[-1] // 2)
    low, high = (int(np.searchsorted(total, rank, side="right")) for rank in (ignored, total[-1] - ignored - 1))
    if high - low > MAX_LEVEL // 2:
        return [0, MAX_LEVEL]
    return [low, max(high, low + 1, 256)]  # see `scale_levels` for 256


def decide_background(training: Sequence[Facts], levels: list[int]) -> list[int]:
    """Give the level of red, green and blue around the images: the median of the medians of their borders.

    If most have a transparent border, white if what is visible is dark in most of them, else black.
    """
    borders = [
        scale_levels(np.array(facts.border), levels) if facts.deep else np.array(facts.border)
        for facts in training
        if facts.border is not None
    ]
    transparent = [facts.visible for facts in training if facts.border is None]
    if len(transparent) > len(borders):
        return [255 if np.median(transparent) < 128 else 0] * 3
    medians = np.median([np.resize(border, 3) for border in borders], axis=0)
    return [int(level) for level in medians]


def decide_size(training: Sequence[Facts], settings: IngestSettings) -> tuple[int, int]:
    """Give the height and width of the arrays.

    `auto` is the median height and width if `MIN_SHARE_ALIKE` of the images have about the same proportions, else a
    square with the median longer side; within the limits of settings/frame.py.
    """
    size = settings.image_size
    if isinstance(size, int):
        return size, size
    if isinstance(size, list):
        return size[0], size[1]
    shapes = np.array([(facts.height, facts.width) for facts in training])
    proportions = np.log(shapes[:, 0] / shapes[:, 1])
    if np.mean(np.abs(proportions - np.median(proportions)) <= math.log(ALIKE)) >= MIN_SHARE_ALIKE:
        height, width = np.quantile(shapes, 0.5, axis=0, method="higher")  # the side of an image, no mean of two
    else:
        height = width = np.quantile(shapes.max(1), 0.5, method="higher")
    return chosen_size(int(height), int(width))


def decide_content(training: Sequence[Facts], frame: Frame) -> dict[str, int]:
    """Give the height and width of the middle part that training images fill, with even margins.

    With an odd margin, an image is not centred. Both are rounded up, so that images of this part are not shrunk twice.
    """
    height = width = 1
    for shape in {(facts.height, facts.width) for facts in training}:
        factor = min(frame.height / shape[0], frame.width / shape[1])
        factor = factor if frame.enlarge else min(factor, 1)
        height, width = (
            max(side, math.ceil(length * factor - 1e-6)) for side, length in zip((height, width), shape, strict=True)
        )
    return {
        "content_height": height + (frame.height - height) % 2,
        "content_width": width + (frame.width - width) % 2,
    }
