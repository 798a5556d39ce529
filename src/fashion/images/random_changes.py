"""Random changes to the images of a batch, other ones in each epoch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from fashion.settings.system import Augmentation, Corruption


class RandomAugmentation:
    """Shift, flip, cut a hole and corrupt, as the settings say.

    Flips alternate: an image is seen one way in one epoch and the other way in the next, so that two epochs show both.
    images: how many there are to learn from. generator: of the CPU, for all draws.
    """

    def __init__(self, settings: Augmentation, images: int, generator: torch.Generator) -> None:
        self.settings, self.generator = settings, generator
        self.flipped = torch.rand(images, generator=generator) < 0.5

    def next_epoch(self) -> None:
        """Turn all flips round."""
        self.flipped = ~self.flipped

    def state_dict(self) -> dict[str, Tensor]:
        """Give what changes from epoch to epoch, beside the generator."""
        return {"flipped": self.flipped}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.flipped = state["flipped"]

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Change uint8 images of N x H x W, whose numbers are `indices`; new pixels are 0."""
        if self.settings.shift or self.settings.flip:
            flipped = self.flipped[indices.cpu()] if self.settings.flip else torch.zeros(len(images), dtype=torch.bool)
            images = self.shift_and_flip(images, flipped)
        if self.settings.cutout:
            images = self.cut_out(images)
        corruption = self.settings.corruption
        if corruption and corruption.share:
            images = self.corrupt(images, corruption)
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

    def corrupt(self, images: Tensor, settings: Corruption) -> Tensor:
        """Do one of the kinds of corruption to each of some of the images."""
        kinds: dict[Callable[[Tensor, float, Tensor], Tensor], float | None] = {
            self.rotate: settings.rotation,
            self.flatten: settings.contrast,
            self.add_noise: settings.noise,
        }
        chosen = [(change, most) for change, most in kinds.items() if most is not None]
        images = images.clone()
        corrupted = torch.rand(len(images), generator=self.generator) < settings.share
        kind = torch.randint(len(chosen), (len(images),), generator=self.generator)
        for number, (change, most) in enumerate(chosen):
            places = (corrupted & (kind == number)).nonzero()[:, 0]
            if not len(places):
                continue
            amounts = torch.rand(len(places), generator=self.generator)
            there = places.to(images.device)
            images[there] = change(images[there].float(), most, amounts).round_().clamp_(0, 255).byte()
        return images

    def rotate(self, images: Tensor, most: float, amounts: Tensor) -> Tensor:
        """Turn each image about its middle: by `most` degrees one way for an amount of 0, the other way for 1."""
        angles = (2 * amounts - 1) * math.radians(most)
        cos, sin, none = angles.cos(), angles.sin(), torch.zeros(len(images))
        turns = torch.stack([cos, -sin, none, sin, cos, none], 1).view(-1, 2, 3).to(images.device)
        grid = affine_grid(turns, [len(images), 1, *images.shape[1:]], align_corners=False)
        return grid_sample(images[:, None], grid, align_corners=False)[:, 0]

    def flatten(self, images: Tensor, least: float, amounts: Tensor) -> Tensor:
        """Draw the pixels of each image towards its mean, to `least` of their distance where an amount is 1."""
        factors = (1 - (1 - least) * amounts)[:, None, None].to(images.device)
        return images.mean((1, 2), keepdim=True).lerp(images, factors)

    def add_noise(self, images: Tensor, most: float, amounts: Tensor) -> Tensor:
        """Add Gaussian noise to each image, of a deviation of `most` where an amount is 1."""
        noise = torch.randn(images.shape, generator=self.generator) * (most * amounts)[:, None, None]
        return images + noise.to(images.device)
