from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion.classifier.ensemble import Ensemble
from small import make_classifier

CPU = torch.device("cpu")


@pytest.fixture
def ensemble(images: np.ndarray) -> Ensemble:
    members = []
    for seed in range(3):
        torch.manual_seed(seed)
        member = make_classifier(images)
        threshold = member.logits(images, CPU).logsumexp(1).median().item()
        members.append(replace(member, temperature=1.0 + seed, threshold=threshold))
    return Ensemble(members)


def test_an_ensemble_predicts_the_mean_of_the_probabilities_of_its_members(
    ensemble: Ensemble, images: np.ndarray
) -> None:
    probabilities = [member.predict(images, CPU).log_probabilities.exp() for member in ensemble.members]
    torch.testing.assert_close(
        ensemble.predict(images, CPU).log_probabilities.exp(), torch.stack(probabilities).mean(0)
    )


def test_an_image_is_out_of_distribution_if_its_mean_energy_score_is_below_the_mean_threshold(
    ensemble: Ensemble, images: np.ndarray
) -> None:
    scores = torch.stack([member.logits(images, CPU).logsumexp(1) for member in ensemble.members]).mean(0)
    assert ensemble.threshold == pytest.approx(np.mean([member.threshold for member in ensemble.members]))
    expected = (scores < ensemble.threshold).numpy()
    assert 0 < expected.sum() < len(images)
    np.testing.assert_array_equal(ensemble.predict(images, CPU).out_of_distribution, expected)


def test_a_refit_predicts_in_place_of_the_members(ensemble: Ensemble, images: np.ndarray) -> None:
    first, *others = ensemble.members
    refitted = Ensemble(others, first)
    expected = Ensemble([first]).predict(images, CPU)
    torch.testing.assert_close(refitted.predict(images, CPU).log_probabilities, expected.log_probabilities)


def test_each_image_is_predicted_by_the_member_that_is_asked_for(ensemble: Ensemble, images: np.ndarray) -> None:
    members = np.arange(len(images)) * 7 % 3
    prediction = ensemble.predict_with(members, images, CPU)
    for number, member in enumerate(ensemble.members):
        expected = member.predict(images, CPU)
        chosen = np.flatnonzero(members == number)
        torch.testing.assert_close(prediction.log_probabilities[chosen], expected.log_probabilities[chosen])
        torch.testing.assert_close(prediction.margins[chosen], expected.margins[chosen])


def test_without_calibration_all_temperatures_are_1(ensemble: Ensemble, images: np.ndarray) -> None:
    members = [replace(member, temperature=1.0) for member in ensemble.members]
    expected = Ensemble(members).predict(images, CPU).log_probabilities
    torch.testing.assert_close(ensemble.uncalibrated().predict(images, CPU).log_probabilities, expected)
