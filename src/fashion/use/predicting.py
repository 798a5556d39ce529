"""Label images with a trained model, by its file alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import Precision, pick_device
from fashion.classifier.file import load
from fashion.errors import InputError
from fashion.use.reading import Place, find, read_in_parts


@dataclass
class Answers:
    """What a model says of N images.

    images: their names. class_names: by number. labels: numbers of the most likely classes, N. probabilities: N x
    classes, float32. unlike: whether an image is unlike those that were learned from, so that no class may be right; N.
    """

    images: list[str]
    class_names: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    unlike: np.ndarray

    @property
    def classes(self) -> list[str]:
        """Names of the most likely classes."""
        return [self.class_names[label] for label in self.labels]

    @property
    def confidence(self) -> np.ndarray:
        """Probabilities of the most likely classes."""
        return self.probabilities.max(1)


def predict(
    images: Place | Sequence[Place], model: str | Path | Classifier, *, precision: Precision = "auto"
) -> Answers:
    """Label image files, folders, CSV and .npy files, or arrays of grey levels; InputError on what cannot be used.

    precision: `auto` is that of the training where this machine has it; `fp32` gives the same on all machines but for
    rounding. Shows a bar if it takes more than two seconds. Of image files, memory holds a thousand at a time, as small
    as the model takes them; a table is read whole.
    """
    classifier, device = model if isinstance(model, Classifier) else load(Path(model)), pick_device()
    found = find([images] if isinstance(images, (str, Path, np.ndarray)) else images)
    names = [name for some in found for name in some.names]
    logits = []
    with tqdm(total=len(names), desc="predict", unit=" images", delay=2, disable=None, leave=False) as bar:
        for part in read_in_parts(found, classifier.frame):
            logits.append(classifier.logits(part, device, precision))
            bar.update(len(part))
    said = torch.cat(logits)
    log_probabilities = classifier.tempered(said)
    if not log_probabilities.isfinite().all():
        named = "the model" if isinstance(model, Classifier) else model
        raise InputError(f"{named}: gives probabilities that are no numbers; train it again, at a lower rate")
    return Answers(
        images=names,
        class_names=classifier.classes,
        labels=log_probabilities.argmax(1).numpy(),
        probabilities=log_probabilities.exp().numpy(),
        unlike=classifier.unlike(said).numpy(),
    )
