"""Convolutional networks with a whitening first layer and convolutions that start as the identity.

Like the networks of Keller Jordan, arXiv 2404.00498, but for images of any size, grey ones too.

Notable features:
- the first layer whitens patches of 2x2 pixels, or larger ones of larger images, so that the maps have some 32 pixels a
  side; its filters are computed from training images and not trained
- dirac (identity) initialisation of the other convolutions, which have no bias
- pooling before BatchNorm and activation
- GELU instead of ReLU
- BatchNorm without a trained scale and with a momentum of 0.4
- a max-pool over the whole map before the head
- no bias in the head, and logits divided by a fixed temperature
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from fashion.networks.building.layers import OutputLinear
from fashion.networks.building.pooling import MaxPool
from fashion.settings.fields import Count, Depth, Layers, Rate

MAP_SIDE = 32  # pixels a side, about, of the maps after the first layer
DIRECTIONS = 4  # of whitened patches, for each channel: all, if they have 2x2 pixels
# Added to the variances of patches, by the number of channels: in some directions there is only noise, and in colour
# small differences of hue would become as strong as edges (icons: accuracy 0.750 with 5e-4, 0.772 with 0.5).
EPSILON = {1: 5e-4, 3: 0.5}
TEMPERATURE = 9.0  # divides the logits: features of norm sqrt(channels) would give too large logits at the start


def build(
    *,
    channels: Layers[Count],
    convolutions: Depth = 2,
    dropout: Rate = 0.0,
    image_shape: Sequence[int],
    num_classes: int,
) -> nn.Module:
    """Stack the whitening layer, a block for each entry of `channels`, a global max-pool, dropout and the head.

    A block has `convolutions` convolutions of 3x3, each followed by BatchNorm and GELU, and a 2x2 max-pool after the
    first convolution.
    """
    min_size = 1 + 2 ** len(channels)
    image_channels, height, width = image_shape
    if min(height, width) < min_size:
        raise ValueError(
            f"{len(channels)} blocks need images of at least {min_size} pixels a side, not {height}x{width}"
        )
    stride = max(1, round(min(height, width) / MAP_SIDE))
    whitening = Whitening(image_channels, stride)
    layers: list[nn.Module] = [whitening, nn.GELU()]
    in_channels, size = len(whitening.weight), (height // stride - 1, width // stride - 1)
    for out_channels in channels:
        layers += [Convolution(in_channels, out_channels), MaxPool(2), batch_norm(out_channels), nn.GELU()]
        for _ in range(convolutions - 1):
            layers += [Convolution(out_channels, out_channels), batch_norm(out_channels), nn.GELU()]
        in_channels, size = out_channels, (size[0] // 2, size[1] // 2)
    layers += [global_max_pool(size), nn.Flatten(), nn.Dropout(dropout), Head(in_channels, num_classes)]
    return WhitenedCNN(*layers)


class WhitenedCNN(nn.Sequential):
    """Layers of which the first is initialised from images; see `InitFromData`."""

    def init_from_data(self, images: Tensor) -> None:
        """Compute the whitening filters from training images, N x C x H x W, prepared for the network."""
        whitening = self[0]
        assert isinstance(whitening, Whitening)
        whitening.fit(images)


class Whitening(nn.Module):
    """Convolution with fixed filters: directions in which patches vary, with variance 1 at most, and their negatives.

    Maps N x C x H x W to N x 8C x (H / stride - 1) x (W / stride - 1). Patches are twice as large as the stride, and
    those of more than 2x2 pixels are described by the directions in which they vary most. Not trained; all filters are
    0 before `fit`.
    """

    weight: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("weight", torch.zeros(2 * DIRECTIONS * channels, channels, 2 * stride, 2 * stride))

    def fit(self, images: Tensor) -> None:
        images, size = images.cpu(), 2 * self.stride  # Apple's MPS has no double
        patches = images.unfold(2, size, self.stride).unfold(3, size, self.stride).permute(0, 2, 3, 1, 4, 5)
        patches = patches.reshape(-1, self.weight[0].numel()).double()
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        damped = variances + EPSILON[images.shape[1]]
        filters = (directions / damped.sqrt()).T.flip(0)[: len(self.weight) // 2]
        filters = filters.view(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, images: Tensor) -> Tensor:
        return conv2d(images, self.weight, stride=self.stride)


class Convolution(nn.Conv2d):
    """3x3 convolution without bias that keeps the size of the maps; at first, the identity on its first channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)
        nn.init.dirac_(self.weight[:in_channels])


class Head(OutputLinear):
    """Linear layer without bias; divides the logits by `TEMPERATURE`."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__(in_features, num_classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) / TEMPERATURE


def global_max_pool(size: tuple[int, int]) -> nn.Module:
    """Make a layer that takes the maximum of each map of `size` pixels."""
    return MaxPool(size[0]) if size[0] == size[1] else nn.MaxPool2d(size)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Make a BatchNorm layer with a trained shift but no trained scale, and statistics of the last few batches."""
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)  # as in arXiv 2404.00498
    layer.weight.requires_grad_(False)
    return layer
