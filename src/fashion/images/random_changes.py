"""Random changes to the images of a batch, other ones in each epoch."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from fashion.settings.system import Augmentation


class RandomAugmentation:
    """Shift, flip and cut a hole, as the settings say.

    Flips alternate: an image is seen one way in one epoch and the other way in the next, so that two epochs show both.
    images: how many there are to learn from. generator: of the CPU, for all draws.
    """

    def __init__(self, settings: Augmentation, images: int, generator: torch.Generator) -> None:
        self.settings, self.generator = settings, generator
        self.flipped = torch.rand(images, generator=generator) < 0.5

    def next_epoch(self) -> None:
        """Turn all flips round."""
        self.flipped = ~self.flipped

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Change uint8 images of N x H x W, whose numbers are `indices`; new pixels are 0."""
        if self.settings.shift or self.settings.flip:
            flipped = self.flipped[indices.cpu()] if self.settings.flip else torch.zeros(len(images), dtype=torch.bool)
            images = self.shift_and_flip(images, flipped)
        if self.settings.cutout:
            images = self.cut_out(images)
        return images

    def shift_and_flip(self, images: Tensor, flipped: Tensor) -> Tensor:
        """Move each image by up to `shift` pixels each way, then mirror those that are `flipped`, in one gather."""
        count, height, width = images.shape
        shift = self.settings.shift
        padded = pad(images, (shift, shift, shift, shift))
        rows = self.draw(2 * shift + 1, count) + torch.arange(height)
        columns = torch.arange(width).expand(count, width)
        columns = torch.where(flipped[:, None], columns.flip(1), columns) + self.draw(2 * shift + 1, count)
        places = rows[:, :, None] * padded.shape[2] + columns[:, None, :]
        return padded.flatten(1).gather(1, places.flatten(1).to(images.device)).view_as(images)

    def cut_out(self, images: Tensor) -> Tensor:
        """Make a square of `cutout` pixels a side black, anywhere inside each image (DeVries, arXiv 1708.04552)."""
        count, height, width = images.shape
        side = self.settings.cutout
        inside = []
        for length in (height, width):
            first = self.draw(max(length - side, 0) + 1, count)
            along = torch.arange(length)
            inside.append((along >= first) & (along < first + side))
        hole = inside[0][:, :, None] & inside[1][:, None, :]
        return images.masked_fill(hole.to(images.device), 0)

    def draw(self, choices: int, count: int) -> Tensor:
        """Draw whole numbers from 0, a column of them."""
        return torch.randint(choices, (count, 1), generator=self.generator)
