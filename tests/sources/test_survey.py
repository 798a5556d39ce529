"""Decide the frame of a data set from its training images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.settings.frame import Frame
from fashion.settings.ingest import IngestSettings
from fashion.sources.survey import decide_frame, survey_arrays, survey_files


def save_all(folder: Path, images: list[Image.Image], suffix: str = "png") -> list[Path]:
    paths = [folder / f"{number:03}.{suffix}" for number in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    return paths


def frame_of(paths: list[Path], num_training: int | None = None, **changes: object) -> Frame:
    settings = IngestSettings.model_validate({"source": "folder", **changes})
    num_training = len(paths) if num_training is None else num_training
    return decide_frame(survey_files(paths, num_training), num_training, settings)


def blank(width: int, height: int, color: object = 0, mode: str = "L") -> Image.Image:
    return Image.new(mode, (width, height), color)


def size_of(frame: Frame) -> tuple[int, int, int, int]:
    return frame.height, frame.width, frame.content_height, frame.content_width


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 10, (28, 28, 28, 28)),
        ([(8, 8)] * 10, (24, 24, 24, 24)),
        ([(600, 600)] * 10, (224, 224, 224, 224)),
        ([(60, 20)] * 9 + [(20, 60)], (20, 60, 20, 60)),
        ([(30, 60)] * 5 + [(60, 30)] * 5, (60, 60, 60, 60)),
        ([(640, 480)] * 10, (168, 224, 168, 224)),
        ([(100, 51), (101, 50), (99, 49)], (50, 100, 50, 100)),
        ([(300, 4)] * 10, (20, 224, 4, 224)),
        ([(32, 32)] * 9 + [(500, 500)], (32, 32, 32, 32)),
        ([(32, 32)] * 5 + [(40, 40)] * 5, (40, 40, 40, 40)),
    ],
)
def test_the_size_is_the_median_height_and_width_of_images_of_like_proportions_and_else_a_square(
    tmp_path: Path, sizes: list[tuple[int, int]], expected: tuple[int, ...]
) -> None:
    paths = save_all(tmp_path, [blank(*size) for size in sizes])
    height, width, *content = size_of(frame_of(paths))
    assert (height, width) == expected[:2]
    assert np.abs(np.array(content) - expected[2:]).max() <= 1


def test_images_to_be_labelled_decide_nothing(tmp_path: Path) -> None:
    training = [blank(28, 28, 200)] * 3
    others = [blank(900, 300, (255, 0, 0), "RGB"), Image.fromarray(np.full((9, 9), 5000, np.uint16))]
    paths = save_all(tmp_path, training + others)
    assert frame_of(paths, 3) == frame_of(paths[:3])


@pytest.mark.parametrize(
    ("image_size", "fit", "expected"),
    [
        (32, "pad", (32, 32, 28, 20)),
        (32, "resize", (32, 32, 32, 24)),
        ([40, 30], "resize", (40, 30, 40, 30)),
        ([20, 64], "pad", (20, 64, 20, 16)),
    ],
)
def test_the_settings_may_give_the_size(
    tmp_path: Path, image_size: object, fit: str, expected: tuple[int, ...]
) -> None:
    paths = save_all(tmp_path, [blank(20, 28)] * 3)
    assert size_of(frame_of(paths, image_size=image_size, fit=fit)) == expected


def test_one_image_in_colour_makes_the_data_colour_and_a_grey_one_saved_as_rgb_does_not(
    tmp_path: Path, images: np.ndarray
) -> None:
    gray = Image.fromarray(images[0, 0])
    paths = save_all(tmp_path, [gray, gray.convert("RGB"), gray.convert("P")])
    gray.convert("RGB").save(tmp_path / "gray.jpg")
    assert frame_of([*paths, tmp_path / "gray.jpg"]).channels == 1
    blank(28, 28, (200, 30, 30), "RGB").save(tmp_path / "red.png")
    colorful = [*paths, tmp_path / "red.png"]
    assert [frame_of(colorful, color=color).channels for color in ("auto", "gray", "rgb")] == [3, 1, 3]


def test_hidden_colours_of_transparent_pixels_are_no_colour(tmp_path: Path) -> None:
    image = blank(28, 28, (255, 0, 0, 0), "RGBA")
    image.paste((90, 90, 90, 255), (5, 5, 20, 20))
    assert frame_of(save_all(tmp_path, [image])).channels == 1


def with_border(color: object, inside: object, mode: str = "RGB") -> Image.Image:
    image = blank(28, 28, color, mode)
    image.paste(inside, (4, 4, 24, 24))
    return image


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([with_border((255, 250, 240), (255, 0, 0))] * 3, [255, 250, 240]),
        ([with_border((255, 255, 255), (255, 0, 0))] * 2 + [with_border((0, 0, 0), (255, 0, 0))], [255, 255, 255]),
        ([with_border((9, 9, 9, 0), (0, 0, 60, 255), "RGBA")] * 3, [255, 255, 255]),
        ([with_border((9, 9, 9, 0), (250, 240, 0, 255), "RGBA")] * 3, [0, 0, 0]),
        (
            [with_border((9, 9, 9, 0), (0, 0, 60, 255), "RGBA"), *[with_border((30, 40, 50), (255, 0, 0))] * 2],
            [30, 40, 50],
        ),
    ],
)
def test_the_background_is_that_of_the_borders_and_dark_glyphs_on_nothing_get_a_white_one(
    tmp_path: Path, images: list[Image.Image], expected: list[int]
) -> None:
    assert frame_of(save_all(tmp_path, images), color="rgb").background == expected


def test_the_settings_may_give_the_background(tmp_path: Path) -> None:
    paths = save_all(tmp_path, [blank(28, 28)])
    assert frame_of(paths, background=99).background == [99]
    assert frame_of(paths, background=[255, 0, 0]).background == [76]
    assert frame_of(paths, background=99, color="rgb").background == [99, 99, 99]


def test_fashion_mnist_has_a_black_background(images: np.ndarray) -> None:
    settings = IngestSettings(source="idx", image_size=32, fit="pad")
    frame = decide_frame(survey_arrays([images]), len(images), settings)
    assert frame == Frame(
        channels=1, height=32, width=32, content_height=28, content_width=28, enlarge=False, background=[0]
    )


def twelve_bits(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 4096, (60, 60))


def full_range(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 65536, (60, 60))


def dark_cells(rng: np.random.Generator) -> np.ndarray:
    """A camera's offset of 100, and cells of some 500."""
    image = rng.normal(100, 3, (60, 60))
    image[20:40, 20:40] += 400
    return image


def bright_cells(rng: np.random.Generator) -> np.ndarray:
    """A range of 5,000 levels above an offset of 40,000."""
    return rng.integers(40_000, 45_001, (60, 60))


def eight_bits(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (60, 60))


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (twelve_bits, (0, 20), (4080, 4095)),
        (full_range, (0, 0), (65535, 65535)),
        (dark_cells, (80, 95), (500, 520)),
        (bright_cells, (40_000, 40_030), (44_970, 45_000)),
        (eight_bits, (0, 0), (256, 256)),
    ],
)
def test_levels_of_more_than_8_bits_get_one_range_for_the_data_set(
    tmp_path: Path, make: Callable[[np.random.Generator], np.ndarray], low: tuple[int, int], high: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    deep = [make(rng).astype(np.uint16) for _ in range(3)]
    deep[0][5, 5] = 65535  # a hot pixel
    levels = frame_of(save_all(tmp_path, [Image.fromarray(image) for image in deep], "tiff")).levels
    assert low[0] <= levels[0] <= low[1]
    assert high[0] <= levels[1] <= high[1]


def test_the_background_of_deep_images_is_on_the_same_scale(tmp_path: Path) -> None:
    image = np.full((28, 28), 2000, np.uint16)
    image[4:24, 4:14], image[4:24, 14:24] = 0, 4000
    assert frame_of(save_all(tmp_path, [Image.fromarray(image)])).background == [128]


def test_content_is_as_large_as_the_images_become(tmp_path: Path) -> None:
    """An image that is already of the size of the content is not shrunk again."""
    paths = save_all(tmp_path, [blank(100, 51)] * 3 + [blank(90, 30)] * 3)
    frame = frame_of(paths, image_size=28)
    assert size_of(frame) == (28, 28, 16, 28)
