"""One or several classifiers that answer together, as a system is saved: a model, or one for each fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fashion.classifier.classifier import Classifier, Prediction
from fashion.classifier.device import Precision
from fashion.settings.frame import Frame


@dataclass
class Ensemble:
    """Classifiers of one architecture, trained on different parts of the labelled images.

    members: a single one, or one for each fold of the labelled images. refit: if given, it is trained on all of them,
    and predicts in place of the members, which are kept for the figures.

    >>> ensemble = load(Path("models/final.safetensors"))
    >>> labels = ensemble.predict(ensemble.frame.centred(images), select_device()).labels
    """

    members: list[Classifier]
    refit: Classifier | None = None

    @property
    def used(self) -> list[Classifier]:
        """The classifiers that predict new images."""
        return [self.refit] if self.refit else self.members

    @property
    def frame(self) -> Frame:
        return self.members[0].frame

    @property
    def classes(self) -> list[str]:
        return self.members[0].classes

    @property
    def environment(self) -> dict[str, str]:
        return self.members[0].environment

    @property
    def threshold(self) -> float:
        """The energy score below which a new image is out of distribution: the mean over those that predict it."""
        return sum(classifier.threshold for classifier in self.used) / len(self.used)

    def num_parameters(self) -> int:
        """Count the trainable parameters of those that predict new images."""
        return sum(classifier.num_parameters() for classifier in self.used)

    def uncalibrated(self) -> "Ensemble":
        """Give the same ensemble with temperatures of 1."""
        members = [replace(member, temperature=1.0) for member in self.members]
        return Ensemble(members, self.refit and replace(self.refit, temperature=1.0))

    def predict(self, images: np.ndarray, device: torch.device, precision: Precision = "auto") -> Prediction:
        """Predict uint8 images of N x C x H x W: the mean of the probabilities of the classifiers."""
        return mean_prediction([classifier.predict(images, device, precision) for classifier in self.used])

    def predict_with(self, members: np.ndarray, images: np.ndarray, device: torch.device) -> Prediction:
        """Predict each of N images by one member. members: their numbers, N integers."""
        numbers = np.unique(members)
        indices = [np.flatnonzero(members == number) for number in numbers]
        predictions = [
            self.members[number].predict(images[chosen], device)
            for number, chosen in zip(numbers, indices, strict=True)
        ]
        order = torch.from_numpy(np.concatenate(indices)).argsort()
        return Prediction(
            torch.cat([prediction.log_probabilities for prediction in predictions])[order],
            torch.cat([prediction.margins for prediction in predictions])[order],
        )


def mean_prediction(predictions: Sequence[Prediction]) -> Prediction:
    """Compute the means of probabilities and margins over several predictions of the same images."""
    if len(predictions) == 1:
        return predictions[0]
    log_probabilities = torch.stack([prediction.log_probabilities for prediction in predictions])
    return Prediction(
        log_probabilities.logsumexp(0) - np.log(len(predictions)),
        torch.stack([prediction.margins for prediction in predictions]).mean(0),
    )
