"""Label images with a trained model; needs only the model file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fashion.classifier.classifier import Classifier
from fashion.classifier.device import Precision, select_device
from fashion.classifier.model_file import load
from fashion.errors import InputError
from fashion.inference.read_images import ImageSource, find_images, read_batches


@dataclass
class Predictions:
    """The predictions for N images.

    images: names of the images. class_names: by label. labels: the most likely classes, N integers. probabilities: N x
    classes, float32. out_of_distribution: whether an image is unlike the training images, N booleans; if true, its
    class may mean nothing. skipped: names of files in the folders that are no images. deep: names of images with more
    than 8 bits, if the model was trained on images of 8 bits.
    """

    images: list[str]
    class_names: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    out_of_distribution: np.ndarray
    skipped: list[str] = field(default_factory=list)
    deep: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """Names of the most likely classes."""
        return [self.class_names[label] for label in self.labels]

    @property
    def confidence(self) -> np.ndarray:
        """Probabilities of the most likely classes."""
        return self.probabilities.max(1)


def predict(
    images: ImageSource | Sequence[ImageSource], model: str | Path | Classifier, *, precision: Precision = "auto"
) -> Predictions:
    """Label image files, folders, CSV, IDX and .npy files, or arrays of levels; InputError if some cannot be used.

    precision: `auto` takes the precision of the training, if the device supports it; `fp32` gives the same result on
    all machines, up to rounding. Shows a progress bar if it takes more than two seconds. Image files are read in
    batches of a thousand, resized to the model's frame; a CSV or IDX file is read at once. A model of grey images
    makes colour grey, and a model of colour images repeats grey.

    >>> predictions = predict(["shoe.png", "photos/"], model="models/final.safetensors")
    >>> predictions.classes, predictions.confidence
    """
    classifier, device = model if isinstance(model, Classifier) else load(Path(model)), select_device()
    image_lists = find_images([images] if isinstance(images, (str, Path, np.ndarray)) else images, classifier.frame)
    names = [name for image_list in image_lists for name in image_list.names]
    batch_logits = []
    with tqdm(total=len(names), desc="predict", unit=" images", delay=2, disable=None, leave=False) as bar:
        for batch in read_batches(image_lists, classifier.frame):
            batch_logits.append(classifier.logits(batch, device, precision))
            bar.update(len(batch))
    logits = torch.cat(batch_logits)
    log_probabilities = classifier.calibrated_log_probabilities(logits)
    if not log_probabilities.isfinite().all():
        model_name = "the model" if isinstance(model, Classifier) else model
        raise InputError(f"{model_name}: its probabilities are not finite; train it again with a lower learning rate")
    return Predictions(
        images=names,
        class_names=classifier.classes,
        labels=log_probabilities.argmax(1).numpy(),
        probabilities=log_probabilities.exp().numpy(),
        out_of_distribution=classifier.out_of_distribution(logits).numpy(),
        skipped=[name for image_list in image_lists for name in image_list.skipped],
        deep=[name for image_list in image_lists for name in image_list.deep if classifier.frame.levels[1] <= 255],
    )
