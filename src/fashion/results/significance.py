"""Compute confidence intervals of accuracies, and test the difference between two systems on the same images."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student_t

CONFIDENCE = 0.95


def wilson_interval(successes: int, count: int) -> list[float]:
    """Compute Wilson's 95% confidence interval of a share; 0 to 1 for a count of 0."""
    if not count:
        return [0.0, 1.0]
    interval = binomtest(successes, count).proportion_ci(CONFIDENCE, method="wilson")
    return [float(interval.low), float(interval.high)]


def mcnemar(correct: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Test whether two systems have the same accuracy on the same images (McNemar 1947, exact and two-sided).

    correct, other: N booleans for each system, whether it predicts an image correctly.
    Only images that exactly one system predicts correctly count: for equally good systems, both cases are as likely.
    """
    only_this, only_other = int((correct & ~other).sum()), int((other & ~correct).sum())
    discordant = only_this + only_other
    p_value = float(binomtest(only_this, discordant).pvalue) if discordant else 1.0
    return {"only_this_right": only_this, "only_other_right": only_other, "p_value": p_value}


def correct_for_number(tests: Iterable[dict[str, Any] | None]) -> None:
    """Replace the p-values of some tests by those corrected for their number (Holm 1979); keep the single ones, too.

    If no two systems differ, the chance that any of the corrected p-values is at most 0.05 is at most 5%.

    >>> tests = [{"p_value": 0.01}, {"p_value": 0.04}, None]
    >>> correct_for_number(tests)
    >>> tests
    [{'p_value': 0.02, 'single_p_value': 0.01}, {'p_value': 0.04, 'single_p_value': 0.04}, None]
    """
    ordered = sorted((test for test in tests if test is not None), key=lambda test: test["p_value"])
    largest = 0.0
    for number, test in enumerate(ordered):
        test["single_p_value"] = test["p_value"]
        largest = max(largest, min(1.0, (len(ordered) - number) * test["p_value"]))
        test["p_value"] = largest


def difference_over_seeds(correct: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Test whether the mean accuracies of two systems differ, if both the images and the seeds are random samples.

    correct, other: seeds x N booleans for each system, with at least two seeds: whether a training predicts an image
    correctly.
    The variance of the difference is the sum of three variances: over the images, of each image's mean over the seeds;
    and over the seeds of each of the two systems. The p-value is from Student's t, with degrees of freedom after Welch
    (1947). The noise of single trainings on single images is part of all terms: the test is conservative.
    """
    by_image = correct.mean(0) - other.mean(0)
    terms = [(by_image.var(ddof=1) / by_image.size, by_image.size - 1)]
    terms += [(runs.mean(1).var(ddof=1) / len(runs), len(runs) - 1) for runs in (correct, other)]
    variance = sum(term for term, _ in terms)
    difference = float(by_image.mean())
    if variance == 0:
        return {"difference": difference, "standard_error": 0.0, "p_value": 1.0 if difference == 0 else 0.0}
    degrees_of_freedom = variance**2 / sum(term**2 / freedom for term, freedom in terms)
    p_value = 2 * student_t.sf(abs(difference) / variance**0.5, degrees_of_freedom)
    return {"difference": difference, "standard_error": float(variance**0.5), "p_value": float(p_value)}
