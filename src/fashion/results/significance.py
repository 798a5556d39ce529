"""Tell differences from noise: an interval for an accuracy, and a test of two systems on the same images."""

from typing import Any

import numpy as np
from scipy.stats import binomtest

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
