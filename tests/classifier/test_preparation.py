import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fashion.classifier.preparation import Preparation, crop
from fashion.settings.fields import Scaling
from fashion.settings.frame import MAX_SIDE, MIN_SIDE, Frame
from fashion.settings.ingest import IngestSettings
from fashion.settings.model import InputSettings
from fashion.sources.resizing import resize_and_pad_all
from fashion.sources.survey import decide_frame, survey_arrays
from fashion.training.train import whole_frame
from small import colour_tiles


def framed(content: np.ndarray, margin: int, background: list[int]) -> tuple[np.ndarray, Frame]:
    """Give images in the middle of a margin of background, and their frame."""
    _, channels, height, width = content.shape
    frame = Frame(
        channels=channels,
        height=height + 2 * margin,
        width=width + 2 * margin,
        content_height=height,
        content_width=width,
        enlarge=False,
        background=background,
    )
    return frame.centred(content), frame


def prepare(
    images: np.ndarray, frame: Frame, size: int | list[int], scaling: Scaling = "pixels", *, fill: bool = False
) -> tuple[Preparation, torch.Tensor]:
    size = [size, size] if isinstance(size, int) else size
    preparation = Preparation.of(images, frame, size=size, scaling=scaling, fill=fill)
    return preparation, preparation(torch.from_numpy(images))


@pytest.mark.parametrize(("scaling", "low", "high"), [("pixels", 0, 255), ("unit", 0, 1)])
def test_scaling_maps_grey_levels_to_its_range(images: np.ndarray, scaling: Scaling, low: float, high: float) -> None:
    _, prepared = prepare(images, whole_frame(images), 28, scaling)
    assert prepared.shape == (400, 1, 28, 28)
    assert (prepared.min().item(), prepared.max().item()) == (low, high)


def test_standard_scaling_makes_the_training_images_mean_0_and_deviation_1(images: np.ndarray) -> None:
    _, prepared = prepare(*framed(images[:, :, 2:-2, 2:-2], 2, [9]), 24, "standard")
    assert prepared.mean().item() == pytest.approx(0, abs=1e-5)
    assert prepared.std().item() == pytest.approx(1, abs=1e-5)


def test_standard_scaling_makes_each_channel_mean_0_and_deviation_1_without_the_margin() -> None:
    tiles = colour_tiles(24, 40)[0]
    preparation, prepared = prepare(*framed(tiles, 3, [255, 0, 99]), [24, 40], "standard")
    assert preparation.content_size is None
    assert prepared.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert prepared.std((0, 2, 3)).tolist() == pytest.approx([1] * 3, abs=1e-5)
    assert preparation.mean == pytest.approx(tiles.mean((0, 2, 3)).tolist())


def test_preparing_images_does_not_change_them(images: np.ndarray) -> None:
    before = images.copy()
    for scaling in ("pixels", "unit", "standard"):
        prepare(images, whole_frame(images), 28, scaling)
    assert np.array_equal(images, before)


def test_a_crop_removes_the_margin(images: np.ndarray) -> None:
    for content, background in ((images, [7]), (colour_tiles(20, 32)[0], [1, 2, 3])):
        padded, _ = framed(content, 2, background)
        assert torch.equal(crop(torch.from_numpy(padded), [*content.shape[2:]]), torch.from_numpy(content))


@pytest.mark.parametrize("size", [20, 40])
def test_content_of_another_size_is_resized_as_a_whole(images: np.ndarray, size: int) -> None:
    _, prepared = prepare(*framed(images, 2, [0]), size)
    assert prepared.shape == (400, 1, size, size)
    assert prepared.mean().item() == pytest.approx(images.mean(), rel=0.01)
    edges = prepared[:, 0, [0, -1]].amax((0, 2)), prepared[:, 0, :, [0, -1]].amax((0, 1))
    assert all((edge > 0).all() for edge in edges), "the edges are not cropped off"


@pytest.mark.parametrize(("size", "expected"), [(28, [21, 28]), (64, [48, 64]), ("auto", [24, 32])])
def test_tall_and_wide_images_keep_their_proportions(size: int, expected: list[int]) -> None:
    settings = InputSettings(size=size, scaling="pixels")
    assert settings.input_size(24, 32) == expected
    assert settings.input_size(32, 24) == expected[::-1]
    tiles = colour_tiles(24, 32)[0]
    _, prepared = prepare(tiles, whole_frame(tiles), expected)
    assert prepared.shape == (len(tiles), 3, *expected)
    assert prepared.mean((0, 2, 3)).tolist() == pytest.approx(tiles.mean((0, 2, 3)).tolist(), rel=0.01)


def test_a_size_between_content_and_frame_crops_only_margin(images: np.ndarray) -> None:
    preparation, prepared = prepare(*framed(images, 2, [77]), 30)
    assert preparation.content_size is None
    assert prepared[:, :, [0, -1]].unique().tolist() == [77]


def test_small_images_fill_an_input_of_size_auto(images: np.ndarray) -> None:
    small = images[:, :, 10:18, 10:18]
    size = InputSettings(size="auto", scaling="pixels").input_size(8, 8)
    assert size == [24, 24]
    _, prepared = prepare(*framed(small, 12, [0]), size, fill=True)
    assert prepared.shape == (400, 1, 24, 24)
    assert prepared.mean().item() == pytest.approx(small.mean(), rel=0.01)


@pytest.mark.parametrize(("height", "width"), [(20, 400), (10, 1000), (1, 1000), (12, 200)])
@pytest.mark.parametrize("at_most", [None, 64])
def test_a_long_strip_keeps_its_proportions_and_margin_and_is_not_enlarged_beyond_the_limit(
    height: int, width: int, at_most: int | None
) -> None:
    strips = colour_tiles(20, 400)[0][:, :, :height, :width]
    strips = np.resize(strips, (*strips.shape[:3], width))  # repeats the photograph
    frame = decide_frame(survey_arrays([strips]), len(strips), IngestSettings(source="folder"))
    size = InputSettings(size="auto", at_most=at_most, scaling="pixels").input_size(*frame.input_part())
    assert size == [MIN_SIDE, MAX_SIDE]
    stored = resize_and_pad_all(strips, frame)
    _, prepared = prepare(stored, frame, size, fill=True)
    np.testing.assert_array_equal(prepared.numpy(), stored)


def test_standard_scaling_of_images_of_one_colour_gives_zeros() -> None:
    plain = np.full((3, 3, 8, 8), 7, np.uint8)
    plain[:, 1] = 200
    assert not prepare(plain, whole_frame(plain), 8, "standard")[1].any()


@pytest.mark.parametrize(("mean", "std"), [([0.0], [1.0, 1.0, 1.0]), ([0.0] * 2, [1.0] * 2), ([], [])])
def test_a_preparation_has_a_mean_and_a_deviation_for_each_of_1_or_3_channels(mean: list, std: list) -> None:
    with pytest.raises(ValidationError, match="expected one a channel"):
        Preparation(size=[8, 8], mean=mean, std=std)
