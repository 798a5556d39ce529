import numpy as np
import pytest

from fashion.images.out_of_distribution import PER_KIND, ood_images
from fashion.settings.frame import Frame
from fashion.training.train import whole_frame

WHITE = Frame(
    channels=3,
    height=40,
    width=60,
    content_height=32,
    content_width=48,
    enlarge=True,
    background=[250, 250, 240],
)


def grey(side: int) -> Frame:
    return whole_frame(np.empty((1, 1, side, side), np.uint8))


@pytest.mark.parametrize("frame", [grey(20), grey(28), grey(224), WHITE], ids=["20", "28", "224", "colour"])
def test_out_of_distribution_images_have_the_shape_of_the_frame_and_differ(frame: Frame) -> None:
    kinds = ood_images(frame)
    assert list(kinds) == ["digits", "letters", "photographs", "noise"]
    for images in kinds.values():
        assert (images.shape, images.dtype) == ((PER_KIND, frame.channels, frame.height, frame.width), np.uint8)
        assert len({image.tobytes() for image in images}) > PER_KIND * 0.95


def test_out_of_distribution_images_are_the_same_each_time() -> None:
    first, second = ood_images(grey(28)), ood_images(grey(28))
    assert all(np.array_equal(first[kind], second[kind]) for kind in first)


def test_photographs_and_noise_have_colour_where_the_training_images_have() -> None:
    kinds = ood_images(WHITE)
    for kind, is_coloured in {"digits": False, "letters": False, "photographs": True, "noise": True}.items():
        content = kinds[kind][:, :, 4:-4, 6:-6].astype(int)
        assert bool(np.ptp(content, axis=1).any(axis=(1, 2)).all()) == is_coloured, kind
        margin = kinds[kind].copy()
        margin[:, :, 4:-4, 6:-6] = np.array(WHITE.background)[:, None, None]
        assert all(np.unique(margin[:, channel]).tolist() == [level] for channel, level in enumerate(WHITE.background))


@pytest.mark.parametrize("level", [0, 255])
def test_digits_and_letters_stand_on_a_ground_like_that_of_the_training_images(level: int) -> None:
    kinds = ood_images(grey(28).model_copy(update={"background": [level]}))
    for kind in ("digits", "letters"):
        assert np.median(kinds[kind][:, 0, 0, 0]) == level, f"a corner of {kind}"
        assert abs(np.percentile(kinds[kind], 2 if level else 98) - level) > 200, f"a stroke of {kind}"


def test_only_as_many_images_are_resized_as_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, stack = [], np.stack
    monkeypatch.setattr(np, "stack", lambda arrays: numbers.append(len(arrays)) or stack(arrays))
    ood_images(grey(28))
    assert numbers == [PER_KIND] * 3
