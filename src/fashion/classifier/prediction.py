"""What a trained network says of images: logits, over one view of each or several."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fashion.classifier.device import mixed_precision
from fashion.settings.fields import Views

BATCH = 1000  # images; no gradients are kept, so memory allows more than in training


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    dtype: torch.dtype = torch.float32,
    views: Views = "one",
) -> Tensor:
    """Compute float32 logits of N x classes for uint8 images of N x H x W, in big batches; the mean over the views."""
    model.eval()
    logits = []
    for batch in images.split(BATCH):
        with mixed_precision(dtype, images.device):
            logits.append(mean_logits(model, prepare, batch, views))
    return torch.cat(logits)


def mean_logits(model: nn.Module, prepare: Callable[[Tensor], Tensor], images: Tensor, views: Views) -> Tensor:
    """Compute the mean of the logits, float32 of N x classes, over the views of grey levels of N x H x W."""
    seen = [(1.0, images)] if views == "one" else moved_views(images, mirrored=views == "six")
    total = torch.zeros((), device=images.device)
    for share, view in seen:
        total = total + share * model(prepare(view)).float()
    return total


def moved_views(images: Tensor, *, mirrored: bool) -> list[tuple[float, Tensor]]:
    """Give images N x H x W as they are, a pixel up and left, and a pixel down and right, each also mirrored or not.

    Each with its share in the mean, as in arXiv 2404.00498.
    """
    padded = pad(images, (1, 1, 1, 1))
    moved = [(0.5, images), (0.25, padded[:, 2:, 2:]), (0.25, padded[:, :-2, :-2])]
    if not mirrored:
        return moved
    return [(share / 2, view) for share, plain in moved for view in (plain, plain.flip(2))]
