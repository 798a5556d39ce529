import numpy as np
import pytest
import torch
from torch import nn

from fashion.classifier.prediction import predict_logits, shifted_views
from fashion.classifier.preparation import Preparation
from fashion.settings.fields import Views


def test_six_views_are_the_image_shifted_by_a_pixel_and_mirrored_and_their_weights_sum_to_one(
    images: np.ndarray,
) -> None:
    views = shifted_views(torch.tensor(images[:5]), mirrored=True)
    assert sum(weight for weight, _ in views) == 1
    assert torch.equal(views[0][1], torch.tensor(images[:5]))
    up, down = views[2][1], views[4][1]
    assert torch.equal(up[:, :-1, :-1], torch.tensor(images[:5, 1:, 1:]))
    assert torch.equal(down[:, 1:, 1:], torch.tensor(images[:5, :-1, :-1]))
    for plain, mirrored in zip(views[::2], views[1::2], strict=True):
        assert torch.equal(plain[1].flip(2), mirrored[1])


def test_three_views_are_the_six_without_the_mirrored_ones(images: np.ndarray) -> None:
    batch = torch.tensor(images[:5])
    three, six = shifted_views(batch, mirrored=False), shifted_views(batch, mirrored=True)
    assert sum(weight for weight, _ in three) == 1
    assert all(torch.equal(view, plain) for (_, view), (_, plain) in zip(three, six[::2], strict=True))


@pytest.mark.parametrize(("views", "mirrored"), [("three", False), ("six", True)])
def test_logits_of_several_views_are_the_weighted_mean_over_the_views(
    images: np.ndarray, views: Views, mirrored: bool
) -> None:
    model, prepare = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), Preparation(size=28, mean=0.0, std=255.0)
    batch = torch.tensor(images[:20])
    weighted_views = shifted_views(batch, mirrored=mirrored)
    expected = sum(weight * predict_logits(model, prepare, view) for weight, view in weighted_views)
    torch.testing.assert_close(predict_logits(model, prepare, batch, views=views), expected)


def test_logits_do_not_depend_on_the_batches(images: np.ndarray) -> None:
    model, prepare = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), Preparation(size=28, mean=0.0, std=255.0)
    many = torch.from_numpy(np.tile(images, (3, 1, 1)))  # 1200: more than one batch
    logits = predict_logits(model, prepare, many)
    torch.testing.assert_close(logits[:400], logits[800:])
