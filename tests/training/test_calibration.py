"""Temperature and threshold, fitted on validation images."""

import numpy as np
import pytest
import torch

from fashion.classifier.device import select_device
from fashion.training.calibration import fit_temperature
from fashion.training.train import TrainingData, train_classifier
from small import make_settings, make_system

CPU = torch.device("cpu")


def draw_labels(temperature: float, num_images: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits, and labels by the probabilities that these logits have at a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(num_images, 5, generator=generator, dtype=torch.double)
    return logits, torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_fitted_temperature_is_that_of_the_labels(temperature: float) -> None:
    assert fit_temperature(*draw_labels(temperature)) == pytest.approx(temperature, rel=0.05)


def test_confidence_stays_below_one_where_a_few_images_are_all_correct() -> None:
    logits = torch.eye(5, dtype=torch.double) * 4
    confidence = (logits / fit_temperature(logits, torch.arange(5))).softmax(1).amax(1)
    assert 0.7 < confidence.max() < 0.95


def test_one_of_twenty_validation_images_is_out_of_distribution(data: TrainingData) -> None:
    classifier, _ = train_classifier(make_system(), make_settings(), data)
    logits = classifier.logits(data.validation.images, CPU)
    assert classifier.out_of_distribution(logits).float().mean().item() == pytest.approx(0.05, abs=0.011)


def test_the_temperature_is_applied_to_probabilities(data: TrainingData) -> None:
    classifier, _ = train_classifier(make_system(), make_settings(), data)
    device = select_device()  # the same as in training: another one rounds the logits differently
    logits = classifier.logits(data.validation.images, device)
    labels = torch.tensor(data.validation.labels, dtype=torch.int64)
    assert classifier.temperature == fit_temperature(logits.double(), labels)
    log_probabilities = classifier.log_probabilities(data.validation.images, device).numpy()
    expected = (logits / classifier.temperature).log_softmax(1).numpy()
    np.testing.assert_allclose(log_probabilities, expected, atol=1e-6)
