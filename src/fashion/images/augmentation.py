"""Random augmentation of the images of a batch: shift, flip, cutout, corruption."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from fashion.images.background import by_channel, fill_background, pad_background, planes
from fashion.settings.model import Augmentation, Corruption


class RandomAugmentation:
    """Shift, flip, cut out and corrupt the images of a batch, as the settings say.

    Flips alternate: an image is mirrored in every second epoch, beginning at random with the first or the second.
    num_images: number of training images. generator: on the CPU, for all random draws. background: the level of each
    channel for pixels that come from outside an image.

    >>> augmentation = RandomAugmentation(Augmentation(shift=2, flip=True), len(images), torch.Generator(), [0])
    >>> augmented = augmentation(images[indices], indices)
    """

    def __init__(
        self, settings: Augmentation, num_images: int, generator: torch.Generator, background: Sequence[int]
    ) -> None:
        self.settings, self.generator, self.background = settings, generator, background
        self.flipped = torch.rand(num_images, generator=generator) < 0.5

    def next_epoch(self) -> None:
        """Invert all flips."""
        self.flipped = ~self.flipped

    def state_dict(self) -> dict[str, Tensor]:
        """Give what changes from epoch to epoch, beside the generator."""
        return {"flipped": self.flipped}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.flipped = state["flipped"]

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Augment uint8 images of N x C x H x W. indices: of N, among the training images, on the CPU."""
        if self.settings.shift or self.settings.flip:
            flipped = self.flipped[indices] if self.settings.flip else torch.zeros(len(images), dtype=torch.bool)
            images = self.shift_and_flip(images, flipped)
        if self.settings.cutout:
            images = self.cut_out(images)
        corruption = self.settings.corruption
        if corruption and corruption.share:
            images = self.corrupt(images, corruption)
        return images

    def shift_and_flip(self, images: Tensor, flipped: Tensor) -> Tensor:
        """Shift each image by at most `shift` pixels along each axis, and mirror it if `flipped`, in one gather."""
        num_images, channels, height, width = images.shape
        shift, device = self.settings.shift, images.device
        padded = pad_background(images, shift, self.background)
        rows = self.draw(2 * shift + 1, num_images, device) + torch.arange(height, device=device)
        columns = torch.arange(width, device=device).expand(num_images, width)
        columns = torch.where(copy_to(device, flipped)[:, None], columns.flip(1), columns)
        columns = columns + self.draw(2 * shift + 1, num_images, device)
        pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).flatten(1)
        return padded.flatten(2).gather(2, pixels[:, None].expand(-1, channels, -1)).view_as(images)

    def cut_out(self, images: Tensor) -> Tensor:
        """Replace a random square of `cutout` pixels a side, inside each image (DeVries, arXiv 1708.04552)."""
        num_images, _, height, width = images.shape
        side = self.settings.cutout
        masks = []
        for length in (height, width):
            first = self.draw(max(length - side, 0) + 1, num_images, images.device)
            positions = torch.arange(length, device=images.device)
            masks.append((positions >= first) & (positions < first + side))
        square = masks[0][:, :, None] & masks[1][:, None, :]
        return fill_background(images, square[:, None], self.background)

    def draw(self, high: int, count: int, device: torch.device) -> Tensor:
        """Draw whole numbers from 0 to `high` - 1, of count x 1, on the CPU, and copy them to the device."""
        return copy_to(device, torch.randint(high, (count, 1), generator=self.generator))

    def corrupt(self, images: Tensor, settings: Corruption) -> Tensor:
        """Apply one kind of corruption, chosen at random, to each image of a random subset."""
        kinds: dict[Callable[[Tensor, float, Tensor], Tensor], float | None] = {
            self.rotate: settings.max_rotation,
            self.reduce_contrast: settings.min_contrast,
            self.add_noise: settings.max_noise_std,
        }
        enabled = [(corruption, limit) for corruption, limit in kinds.items() if limit is not None]
        images = images.clone()
        corrupted = torch.rand(len(images), generator=self.generator) < settings.share
        kind = torch.randint(len(enabled), (len(images),), generator=self.generator)
        for number, (corruption, limit) in enumerate(enabled):
            indices = (corrupted & (kind == number)).nonzero()[:, 0]
            if not len(indices):
                continue
            strengths = torch.rand(len(indices), generator=self.generator)
            device_indices = copy_to(images.device, indices)
            changed = corruption(images[device_indices].float(), limit, strengths)
            images[device_indices] = changed.round_().clamp_(0, 255).byte()
        return images

    def rotate(self, images: Tensor, max_degrees: float, strengths: Tensor) -> Tensor:
        """Rotate each image about its centre, by -`max_degrees` for a strength of 0 to `max_degrees` for 1."""
        angles = (2 * strengths - 1) * math.radians(max_degrees)
        cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(len(images))
        ratio = images.shape[2] / images.shape[3]  # coordinates go from -1 to 1 along both sides, however long
        matrices = torch.stack([cos, -sin * ratio, zero, sin / ratio, cos, zero], 1).view(-1, 2, 3)
        grid = affine_grid(copy_to(images.device, matrices), [len(images), 1, *images.shape[2:]], align_corners=False)
        rotated = [
            grid_sample(plane - level, grid, align_corners=False) + level
            for plane, level in planes(images, self.background)
        ]
        return by_channel(rotated)

    def reduce_contrast(self, images: Tensor, min_contrast: float, strengths: Tensor) -> Tensor:
        """Scale the distances of pixels to their image's mean, by 1 for a strength of 0 to `min_contrast` for 1."""
        factors = (1 - (1 - min_contrast) * strengths)[:, None, None, None]
        return images.mean((1, 2, 3), keepdim=True).lerp(images, copy_to(images.device, factors))

    def add_noise(self, images: Tensor, max_std: float, strengths: Tensor) -> Tensor:
        """Add Gaussian noise to each image, with a standard deviation of 0 to `max_std` grey levels."""
        noise = torch.randn(images.shape, generator=self.generator) * (max_std * strengths)[:, None, None, None]
        return images + copy_to(images.device, noise)


def copy_to(device: torch.device, values: Tensor) -> Tensor:
    """Copy a tensor of the CPU to the device; on CUDA without waiting for what it has yet to compute."""
    return values.to(device, non_blocking=device.type == "cuda")
