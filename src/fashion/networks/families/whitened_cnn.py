"""Convolutional networks that start from whitened patches and from convolutions that change nothing.

After the networks of Keller Jordan, arXiv 2404.00498, for smaller and grey images.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Depth, Layers, Rate

PATCH = 2  # pixels a side of the patches that are whitened
NOISE = 5e-4  # added to a patch's variances, which are near 0 in directions where only noise is left
TEMPERATURE = 9.0  # logits are divided by it: features of norm sqrt(channels) would give too steep a start


def build(
    *,
    channels: Layers[Count],
    convolutions: Depth = 2,
    dropout: Rate = 0.0,
    image_size: int,
    num_classes: int,
) -> nn.Module:
    """Whiten, then stack blocks, a max-pool over what is left of the map, dropout and a linear layer without bias.

    A block has as many `convolutions`, of 3x3, each with BatchNorm and GELU, and a 2x2 max-pool after the first.
    """
    smallest = PATCH - 1 + 2 ** len(channels)
    if image_size < smallest:
        raise ValueError(f"{len(channels)} blocks need images of at least {smallest} pixels a side, not {image_size}")
    layers: list[nn.Module] = [Whitening(), nn.GELU()]
    width, size = 2 * PATCH**2, image_size - PATCH + 1
    for out in channels:
        layers += [Convolution(width, out), MaxPool(2), norm(out), nn.GELU()]
        for _ in range(convolutions - 1):
            layers += [Convolution(out, out), norm(out), nn.GELU()]
        width, size = out, size // 2
    layers += [MaxPool(size), nn.Flatten(), nn.Dropout(dropout), Head(width, num_classes)]
    return Whitened(*layers)


class Whitened(nn.Sequential):
    """A stack whose first layer is set from images."""

    def look_at(self, images: Tensor) -> None:
        """Set the whitening from images of the training set, N x 1 x H x W as the network gets them."""
        whitening = self[0]
        assert isinstance(whitening, Whitening)
        whitening.fit(images)


class Whitening(nn.Module):
    """The directions in which small patches vary, each scaled to variance 1, and their negatives; not trained.

    Maps N x 1 x H x W to N x 8 x (H - 1) x (W - 1).
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(2 * PATCH**2, 1, PATCH, PATCH))

    def fit(self, images: Tensor) -> None:
        images = images.cpu()  # Apple's MPS has no double
        patches = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1).reshape(-1, PATCH**2).double()
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (variances + NOISE).sqrt()).T.flip(0).view(-1, 1, PATCH, PATCH)
        self.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, images: Tensor) -> Tensor:
        return conv2d(images, self.weight)


class Convolution(nn.Conv2d):
    """A 3x3 convolution that keeps the map's size and starts as the identity on its first channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        nn.init.dirac_(self.weight[:inputs])


class Head(nn.Linear):
    """A linear layer without bias whose logits are divided by a fixed temperature."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) / TEMPERATURE


def norm(channels: int) -> nn.BatchNorm2d:
    """Make a BatchNorm that shifts but does not scale, and whose statistics follow the last few batches."""
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer
