"""A trained network with everything needed to use it: logits, calibrated probabilities, out-of-distribution images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.device import Precision, move_model, select_dtype
from fashion.classifier.prediction import batch_size, predict_logits
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.networks.building.factory import head_of
from fashion.settings.fields import TestTimeAugmentation
from fashion.settings.frame import Frame

BATCHES = 10  # that are copied at a time: all images may not fit into memory


@dataclass
class Prediction:
    """What is predicted for N images, on the CPU.

    log_probabilities: of the classes, float32 of N x classes. Probabilities near 0 and 1 would be rounded to these, and
    very confident predictions could not be compared. margins: float32 of N; an image with a negative one is out of
    distribution, unlike the training images.
    """

    log_probabilities: Tensor
    margins: Tensor

    @property
    def labels(self) -> np.ndarray:
        """The most likely classes, N integers."""
        return self.log_probabilities.argmax(1).numpy()

    @property
    def out_of_distribution(self) -> np.ndarray:
        """Whether each image is unlike the training images, N booleans."""
        return (self.margins < 0).numpy()


@dataclass
class Classifier:
    """A trained network with everything needed to use it.

    family, arguments: see `build_network`. frame: what images are fitted to first. classes: names, in the
    order of the logits. environment: software and hardware of the training. test_time_augmentation: the views of each
    image over which the logits are averaged. temperature: divides the logits, to calibrate the confidence. threshold:
    images with a lower `energy_score` are out of distribution, unlike the training images.

    """

    model: nn.Module
    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    frame: Frame
    classes: list[str]
    environment: dict[str, str]
    test_time_augmentation: TestTimeAugmentation = "none"
    temperature: float = 1.0
    threshold: float = 0.0

    def num_parameters(self) -> int:
        """Count the trainable parameters."""
        return sum(weights.numel() for weights in self.model.parameters() if weights.requires_grad)

    def predict(self, images: np.ndarray, device: torch.device, precision: Precision = "auto") -> Prediction:
        """Predict uint8 images of N x C x H x W; see `logits`."""
        logits = self.logits(images, device, precision)
        return Prediction(self.log_probabilities(logits), self.margins(logits))

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Compute calibrated log-probabilities of the classes from logits, both N x classes."""
        return (logits / self.temperature).log_softmax(1)

    def margins(self, logits: Tensor) -> Tensor:
        """Compute by how much the energy scores of images are above the threshold: N, from logits of N x classes."""
        return energy_score(logits) - self.threshold

    def logits(self, images: np.ndarray, device: torch.device, precision: Precision = "auto") -> Tensor:
        """Compute logits, float32 of N x classes on the CPU, for uint8 images of N x C x H x W.

        images: or what the network's head takes, features, float32 of N x features. precision: `auto` takes the
        precision of the training, if the device supports it.
        """
        if images.ndim == 2:
            move_model(self.model, device)
            features = torch.tensor(images, device=device)
            return predict_logits(head_of(self.model), Tensor.float, features).cpu()
        expected = (self.frame.channels, self.frame.height, self.frame.width)
        if images.shape[1:] != expected:
            found, expected_text = ("x".join(map(str, shape)) for shape in (images.shape[1:], expected))
            raise InputError(f"images of {found}; the model was trained on {expected_text} (channels, height, width)")
        if not len(images):
            return torch.empty(0, len(self.classes))
        move_model(self.model, device)
        dtype = select_dtype("fp32" if self.environment["precision"] == "fp32" else precision, device)
        step = BATCHES * batch_size(images.shape)
        parts = []
        for start in range(0, len(images), step):
            on_device = torch.tensor(images[start : start + step], device=device)
            logits = predict_logits(
                self.model, self.preparation, on_device, dtype, self.test_time_augmentation, self.frame.background
            )
            parts.append(logits.cpu())
        return torch.cat(parts)


def energy_score(logits: Tensor) -> Tensor:
    """Compute the energy score of images, N, from their logits, N x classes: high if they are like the training images.

    It is the negative energy of Liu et al., arXiv 2010.03759. The logits are not divided by the temperature.
    """
    return logits.logsumexp(1)
