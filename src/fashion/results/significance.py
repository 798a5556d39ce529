"""Tell differences from noise: an interval for an accuracy, and a test of two systems on the same images."""

from typing import Any

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

CONFIDENCE = 0.95


def accuracy_interval(correct: np.ndarray) -> list[float]:
    """Give the 95% confidence interval of an accuracy (Wilson's), from which images are right, N booleans."""
    interval = binomtest(int(correct.sum()), len(correct)).proportion_ci(CONFIDENCE, method="wilson")
    return [float(interval.low), float(interval.high)]


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Test whether two systems are equally often right on the same images (McNemar 1947, exact and two-sided).

    Only images that one of them has right and the other wrong tell anything: if both were as good, each would be as
    likely to have it. ours, theirs: N booleans each.
    """
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    differing = only_ours + only_theirs
    p_value = float(binomtest(only_ours, differing).pvalue) if differing else 1.0
    return {"only_this_right": only_ours, "only_other_right": only_theirs, "p_value": p_value}


def difference_over_seeds(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Test whether two systems differ in accuracy, both over the images drawn and over the seeds of their trainings.

    ours, theirs: which images each training has right, seeds x N booleans, two seeds or more. The variance of the
    difference of means is that over images, of what each image says on average, plus that over the seeds of either
    system; Student's t, with degrees of freedom after Welch (1947). The noise of single trainings on single images is
    in both terms, so that the test errs towards finding nothing.
    """
    by_image = ours.mean(0) - theirs.mean(0)
    parts = [(by_image.var(ddof=1) / by_image.size, by_image.size - 1)]
    parts += [(runs.mean(1).var(ddof=1) / len(runs), len(runs) - 1) for runs in (ours, theirs)]
    variance = sum(part for part, _ in parts)
    difference = float(by_image.mean())
    if variance == 0:
        return {"difference": difference, "standard_error": 0.0, "p_value": 1.0 if difference == 0 else 0.0}
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    p_value = 2 * student.sf(abs(difference) / variance**0.5, freedom)
    return {"difference": difference, "standard_error": float(variance**0.5), "p_value": float(p_value)}
