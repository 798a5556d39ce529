import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fashion.classifier.prediction import BATCH_PIXELS, batch_size, predict_logits, shifted_views
from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.settings.fields import TestTimeAugmentation
from small import colour_tiles

PREPARE = Preparation(size=[28, 28], mean=[0.0], std=[255.0])
BACKGROUND = (250, 100, 10)


@pytest.fixture
def tiles() -> Tensor:
    return torch.tensor(colour_tiles(20, 32)[0][:5])


def test_six_views_are_the_image_shifted_by_a_pixel_and_mirrored_and_their_weights_sum_to_one(tiles: Tensor) -> None:
    views = shifted_views(tiles, BACKGROUND, mirrored=True)
    assert sum(weight for weight, _ in views) == 1
    assert torch.equal(views[0][1], tiles)
    up, down = views[2][1], views[4][1]
    assert torch.equal(up[..., :-1, :-1], tiles[..., 1:, 1:])
    assert torch.equal(down[..., 1:, 1:], tiles[..., :-1, :-1])
    for plain, mirrored in zip(views[::2], views[1::2], strict=True):
        assert torch.equal(plain[1].flip(3), mirrored[1])


def test_what_a_shifted_view_shows_beside_the_image_is_the_background_of_each_channel(tiles: Tensor) -> None:
    views = shifted_views(tiles, BACKGROUND, mirrored=False)
    for channel, level in enumerate(BACKGROUND):
        up, down = views[1][1][:, channel], views[2][1][:, channel]
        for edge in (up[:, -1], up[:, :, -1], down[:, 0], down[:, :, 0]):
            assert edge.unique().tolist() == [level]


def test_three_views_are_the_six_without_the_mirrored_ones(tiles: Tensor) -> None:
    three, six = (shifted_views(tiles, BACKGROUND, mirrored=mirrored) for mirrored in (False, True))
    assert sum(weight for weight, _ in three) == 1
    assert all(torch.equal(view, plain) for (_, view), (_, plain) in zip(three, six[::2], strict=True))


@pytest.mark.parametrize(("augmentation", "mirrored"), [("shift", False), ("shift_and_flip", True)])
def test_logits_of_several_views_are_the_weighted_mean_over_the_views(
    tiles: Tensor, augmentation: TestTimeAugmentation, mirrored: bool
) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 20 * 32, 10))
    prepare = Preparation(size=[20, 32], mean=[100.0, 90.0, 80.0], std=[50.0, 60.0, 70.0])
    weighted_views = shifted_views(tiles, BACKGROUND, mirrored=mirrored)
    expected = sum(weight * predict_logits(model, prepare, view) for weight, view in weighted_views)
    logits = predict_logits(model, prepare, tiles, augmentation=augmentation, background=BACKGROUND)
    torch.testing.assert_close(logits, expected)


def test_logits_do_not_depend_on_the_batches(images: np.ndarray) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    many = torch.from_numpy(np.tile(images, (4, 1, 1, 1)))
    assert many.numel() > BATCH_PIXELS, "more than one batch"
    logits = predict_logits(model, PREPARE, many)
    torch.testing.assert_close(logits[:400], logits[1200:])


def test_a_batch_has_no_more_pixels_for_larger_images() -> None:
    class BatchSizes(nn.Module):
        sizes: list[int] = []  # noqa: RUF012

        def forward(self, images: Tensor) -> Tensor:
            self.sizes.append(images.numel() // images.shape[1])
            return images[:, 0, 0, :2]

    prepare = Preparation(size=[224, 200], mean=[0.0] * 3, std=[1.0] * 3)
    logits = predict_logits(BatchSizes(), prepare, torch.zeros(50, 3, 224, 200, dtype=torch.uint8))
    assert logits.shape == (50, 2)
    assert max(BatchSizes.sizes) <= BATCH_PIXELS
    assert len(BatchSizes.sizes) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("family", "arguments"),
    [
        ("mlp", {"hidden": [200]}),
        ("cnn", {"channels": [8], "kernels": [3], "hidden": [64]}),
        ("ramped_cnn", {"channels": [8], "kernels": [3], "pools": [2], "hidden": [64], "dropout": 0.1}),
        ("whitened_cnn", {"channels": [16]}),
    ],
)
def test_logits_of_different_classes_are_not_rounded_to_ties(
    family: str, arguments: dict, dtype: torch.dtype, images: np.ndarray
) -> None:
    """With logits of bf16, which has 8 bits, hundreds of these would be equal."""
    model = factory.build_network(family, arguments, image_shape=(1, 28, 28), num_classes=10)
    if isinstance(model, factory.InitFromData):
        model.init_from_data(PREPARE(torch.tensor(images)))
    logits = predict_logits(model, PREPARE, torch.tensor(images), dtype)
    assert logits.dtype == torch.float32
    assert (logits.bfloat16().float() != logits).float().mean() > 0.9
    assert sum(len(row.unique()) < 10 for row in logits) <= 2


def test_a_batch_is_smaller_if_the_network_enlarges_the_images() -> None:
    shape = (5000, 3, 32, 32)
    assert batch_size(shape) == batch_size(shape, (28, 28)) == 1000
    assert batch_size(shape, (128, 128)) == 1000 // 16
