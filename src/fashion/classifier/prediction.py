"""Compute the logits of a network in batches, averaged over one or several views of each image."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fashion.classifier.device import mixed_precision
from fashion.classifier.preparation import Preparation
from fashion.images.background import pad_background
from fashion.settings.fields import TestTimeAugmentation

BATCH_PIXELS = 1_024_000  # 1,000 images of 32 x 32; larger than in training, as no activations are kept for gradients


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    dtype: torch.dtype = torch.float32,
    augmentation: TestTimeAugmentation = "none",
    background: Sequence[int] = (0,),
) -> Tensor:
    """Compute logits, float32 of N x classes, for uint8 images of N x C x H x W: the mean over the views.

    images: or features, N x features, if `prepare` and `model` take these. background: the level of each channel, for
    the views that are shifted.
    """
    model.eval()
    logits = []
    size = prepare.size if isinstance(prepare, Preparation) else []
    for batch in images.split(batch_size(images.shape, size)):
        with mixed_precision(dtype, images.device):
            logits.append(mean_logits(model, prepare, batch, augmentation, background))
    return torch.cat(logits)


def batch_size(shape: Sequence[int], input_size: Sequence[int] = ()) -> int:
    """Give the number of images in a batch, for images of N x C x H x W, or features, N x features.

    input_size: height and width of the network's input, to which images may be enlarged.
    """
    return max(BATCH_PIXELS // max(math.prod(shape[2:]), math.prod(input_size)), 1)


def mean_logits(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    augmentation: TestTimeAugmentation,
    background: Sequence[int],
) -> Tensor:
    """Compute the mean of the logits over the views, float32 of N x classes, for levels of N x C x H x W."""
    weighted_views = [(1.0, images)]
    if augmentation != "none":
        weighted_views = shifted_views(images, background, mirrored=augmentation == "shift_and_flip")
    total = torch.zeros((), device=images.device)
    for weight, view in weighted_views:
        total = total + weight * model(prepare(view)).float()
    return total


def shifted_views(images: Tensor, background: Sequence[int], *, mirrored: bool) -> list[tuple[float, Tensor]]:
    """Make three views of images, N x C x H x W: unchanged, a pixel up and left, and a pixel down and right.

    mirrored: whether to add the mirror image of each. Each view comes with its weight in the mean of the logits, as in
    arXiv 2404.00498.
    """
    padded = pad_background(images, 1, background)
    shifted = [(0.5, images), (0.25, padded[:, :, 2:, 2:]), (0.25, padded[:, :, :-2, :-2])]
    if not mirrored:
        return shifted
    return [(weight / 2, view) for weight, batch in shifted for view in (batch, batch.flip(3))]
