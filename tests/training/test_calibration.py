"""Temperature and threshold, fitted on validation images."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from fashion.classifier.device import select_device
from fashion.training.calibration import choose_temperature, fit_temperature, held_out_gain
from fashion.training.train import TrainingData, train_classifier
from small import make_settings, make_system

CPU = torch.device("cpu")


def draw_labels(temperature: float, num_images: int = 20_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits, and labels by the probabilities that these logits have at a temperature."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(num_images, 5, generator=generator, dtype=torch.double)
    return logits, torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_fitted_temperature_is_that_of_the_labels(temperature: float) -> None:
    assert fit_temperature(*draw_labels(temperature)) == pytest.approx(temperature, rel=0.05)


def log_loss(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    return cross_entropy(logits / temperature, labels).item()


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_that_is_needed_is_applied_to_few_images_too(temperature: float) -> None:
    logits, labels = draw_labels(temperature, 60)
    assert choose_temperature(logits, labels) == fit_temperature(logits, labels)


def test_a_temperature_is_applied_only_where_it_helps_on_images_that_it_is_not_fitted_on() -> None:
    unseen = draw_labels(1.0, 5000, seed=1000)
    losses = {"fitted": 0.0, "chosen": 0.0}
    for seed in range(40):  # calibrated logits of 60 images: no temperature is needed
        logits, labels = draw_labels(1.0, 60, seed)
        fitted, chosen = fit_temperature(logits, labels), choose_temperature(logits, labels)
        assert chosen == (fitted if held_out_gain(logits, labels) > 0 else 1.0)
        losses["fitted"] += log_loss(*unseen, fitted) - log_loss(*unseen, 1.0)
        losses["chosen"] += log_loss(*unseen, chosen) - log_loss(*unseen, 1.0)
    assert losses["chosen"] < 0.6 * losses["fitted"]


def test_all_classes_are_in_each_fold_where_images_are_in_the_order_of_their_classes() -> None:
    logits, labels = draw_labels(2.0, 100)
    order = labels.argsort(stable=True)
    assert held_out_gain(logits[order], labels[order]) > 0.1


@pytest.mark.parametrize("num_images", [1, 2, 3])
def test_a_few_images_have_a_temperature(num_images: int) -> None:
    logits, labels = draw_labels(2.0, num_images)
    assert 0.04 < choose_temperature(logits, labels) < 21


def test_the_same_images_give_the_same_temperature() -> None:
    assert choose_temperature(*draw_labels(1.5, 300)) == choose_temperature(*draw_labels(1.5, 300))


def test_confidence_stays_below_one_where_a_few_images_are_all_correct() -> None:
    logits = torch.eye(5, dtype=torch.double) * 4
    confidence = (logits / fit_temperature(logits, torch.arange(5))).softmax(1).amax(1)
    assert 0.7 < confidence.max() < 0.95


def test_one_of_twenty_validation_images_is_out_of_distribution(data: TrainingData) -> None:
    classifier, _ = train_classifier(make_system(), make_settings(), data)
    out_of_distribution = classifier.predict(data.validation.images, CPU).out_of_distribution
    assert out_of_distribution.mean() == pytest.approx(0.05, abs=0.011)


def test_the_temperature_is_applied_to_probabilities(data: TrainingData) -> None:
    classifier, _ = train_classifier(make_system(), make_settings(), data)
    device = select_device()  # the same as in training: another one rounds the logits differently
    logits = classifier.logits(data.validation.images, device)
    labels = torch.tensor(data.validation.labels, dtype=torch.int64)
    assert classifier.temperature == choose_temperature(logits.double(), labels)
    log_probabilities = classifier.predict(data.validation.images, device).log_probabilities.numpy()
    expected = (logits / classifier.temperature).log_softmax(1).numpy()
    np.testing.assert_allclose(log_probabilities, expected, atol=1e-6)
