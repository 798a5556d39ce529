"""Compute the logits of a network in batches, averaged over one or several views of each image."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fashion.classifier.device import mixed_precision
from fashion.settings.fields import Views

BATCH_SIZE = 1000  # images; larger than in training, since no activations are kept for gradients


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    dtype: torch.dtype = torch.float32,
    views: Views = "one",
) -> Tensor:
    """Compute logits, float32 of N x classes, for uint8 images of N x H x W: the mean over the views."""
    model.eval()
    logits = []
    for batch in images.split(BATCH_SIZE):
        with mixed_precision(dtype, images.device):
            logits.append(mean_logits(model, prepare, batch, views))
    return torch.cat(logits)


def mean_logits(model: nn.Module, prepare: Callable[[Tensor], Tensor], images: Tensor, views: Views) -> Tensor:
    """Compute the mean of the logits over the views, float32 of N x classes, for grey levels of N x H x W."""
    weighted_views = [(1.0, images)] if views == "one" else shifted_views(images, mirrored=views == "six")
    total = torch.zeros((), device=images.device)
    for weight, view in weighted_views:
        total = total + weight * model(prepare(view)).float()
    return total


def shifted_views(images: Tensor, *, mirrored: bool) -> list[tuple[float, Tensor]]:
    """Make three views of images, N x H x W: unchanged, a pixel up and left, and a pixel down and right.

    mirrored: whether to add the mirror image of each. Each view comes with its weight in the mean of the logits, as in
    arXiv 2404.00498.
    """
    padded = pad(images, (1, 1, 1, 1))
    shifted = [(0.5, images), (0.25, padded[:, 2:, 2:]), (0.25, padded[:, :-2, :-2])]
    if not mirrored:
        return shifted
    return [(weight / 2, view) for weight, batch in shifted for view in (batch, batch.flip(2))]
