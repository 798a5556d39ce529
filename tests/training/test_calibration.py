"""What a network learns of itself from validation images."""

import numpy as np
import pytest
import torch

from fashion.training.calibration import fit_temperature
from fashion.training.learning import Labelled, learn
from small import CLASSES, quiet, settings, system


def drawn(temperature: float, images: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Give logits, and labels drawn by the probabilities that they have at a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(images, 5, generator=generator, dtype=torch.double)
    return logits, torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_fitted_temperature_is_that_of_the_labels(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_few_images_that_are_all_right_do_not_make_it_boundlessly_sure() -> None:
    logits = torch.eye(5, dtype=torch.double) * 4
    sure = (logits / fit_temperature(logits, torch.arange(5))).softmax(1).amax(1)
    assert 0.7 < sure.max() < 0.95


def test_nineteen_of_twenty_validation_images_are_like_what_was_learned(train: Labelled, validation: Labelled) -> None:
    classifier, _ = learn(system(), settings(), train, validation, classes=CLASSES, callbacks=quiet())
    logits = classifier.logits(validation.images, torch.device("cpu"))
    assert classifier.unlike(logits).float().mean().item() == pytest.approx(0.05, abs=0.011)


def test_the_temperature_is_applied_to_probabilities(train: Labelled, validation: Labelled) -> None:
    classifier, _ = learn(system(), settings(), train, validation, classes=CLASSES, callbacks=quiet())
    logits = classifier.logits(validation.images, torch.device("cpu"))
    labels = torch.tensor(validation.labels, dtype=torch.int64)
    assert classifier.temperature == fit_temperature(logits.double(), labels)
    said = classifier.log_probabilities(validation.images, torch.device("cpu")).numpy()
    np.testing.assert_allclose(said, (logits / classifier.temperature).log_softmax(1).numpy(), atol=1e-6)
