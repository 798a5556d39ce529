import numpy as np
import pytest
from scipy.stats import binom

from fashion.results.significance import accuracy_interval, difference_over_seeds, mcnemar


def right(*ranges: tuple[int, int]) -> np.ndarray:
    """Mark the images from a to b as right, of 1,000."""
    marks = np.zeros(1000, dtype=bool)
    for start, end in ranges:
        marks[start:end] = True
    return marks


def test_the_interval_is_wilsons() -> None:
    # centre (p + z²/2n) / (1 + z²/n), half width z sqrt(p q / n + z²/4n²) / (1 + z²/n), by hand for p .9 and n 1,000
    assert accuracy_interval(right((0, 900))) == pytest.approx([0.87985, 0.91709], abs=1e-5)


def test_the_interval_holds_the_true_accuracy_19_times_in_20() -> None:
    holds = [low <= 0.92 <= high for low, high in (accuracy_interval(right((0, count))) for count in range(1001))]
    assert binom.pmf(np.arange(1001), 1000, 0.92)[holds].sum() == pytest.approx(0.95, abs=0.01)


def test_images_that_both_have_right_or_wrong_tell_nothing() -> None:
    few = mcnemar(right((0, 10)), right((10, 30)))
    assert few == mcnemar(right((0, 10), (100, 900)), right((10, 30), (100, 900)))
    assert (few["only_this_right"], few["only_other_right"]) == (10, 20)
    assert few["p_value"] == pytest.approx(0.0987, abs=1e-4)  # twice the chance of at most 10 heads in 30 throws


def test_equal_predictions_differ_by_chance_alone() -> None:
    assert mcnemar(right((0, 900)), right((0, 900)))["p_value"] == 1


def test_a_p_value_does_not_depend_on_which_system_is_named_first() -> None:
    a, b = right((0, 700)), right((50, 800))
    assert mcnemar(a, b)["p_value"] == mcnemar(b, a)["p_value"]


def trained(
    random: np.random.Generator, seeds: int, accuracy: float, hardness: np.ndarray, spread: float
) -> np.ndarray:
    """Draw trainings that differ by chance in how able they are, and have harder images wrong more often."""
    able = accuracy + random.normal(0, spread, (seeds, 1))
    return random.random((seeds, len(hardness))) < np.clip(able - hardness, 0, 1)


def test_systems_that_are_equally_good_seldom_differ_over_seeds_and_images() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        hardness = random.normal(0, 0.2, 500)
        ours, theirs = (trained(random, 3, 0.8, hardness, 0.02) for _ in range(2))
        found.append(difference_over_seeds(ours, theirs)["p_value"] < 0.05)
    assert np.mean(found) <= 0.06, "20 of 400 would be chance"


def test_a_difference_larger_than_seeds_make_is_found() -> None:
    random = np.random.default_rng(0)
    hardness = random.normal(0, 0.2, 2000)
    better, worse = (trained(random, 4, accuracy, hardness, 0.005) for accuracy in (0.85, 0.8))
    test = difference_over_seeds(better, worse)
    assert test["difference"] == pytest.approx(better.mean() - worse.mean())
    assert test["p_value"] < 0.01


def test_a_difference_no_larger_than_that_of_two_seeds_is_not_found() -> None:
    ours, theirs = np.stack([right((0, 900)), right((0, 860))]), np.stack([right((0, 890)), right((0, 850))])
    assert difference_over_seeds(ours, theirs)["p_value"] > 0.5
    assert mcnemar(ours[0], theirs[0])["p_value"] < 0.01, "on the images alone it would be"


def test_trainings_that_answer_alike_do_not_differ() -> None:
    alike = np.stack([right((0, 900))] * 2)
    assert difference_over_seeds(alike, alike)["p_value"] == 1


def test_the_error_of_a_difference_is_that_over_images_and_that_over_the_seeds_of_either() -> None:
    sure, unsure = np.stack([right((0, 900))] * 2), np.stack([right((0, 900)), right((0, 860))])
    # 20 of 1,000 images differ: variance .0196 x 1000/999, over 1,000 images; no seed does
    images_alone = difference_over_seeds(sure, np.stack([right((0, 880))] * 2))
    assert images_alone["standard_error"] == pytest.approx(0.0044294, abs=1e-7)
    # of 40 images one of two seeds is wrong: .0096 x 1000/999 / 1,000; two seeds of 0.90 and 0.86: .0008 / 2
    for ours, theirs, difference in ((sure, unsure, 0.02), (unsure, sure, -0.02)):
        test = difference_over_seeds(ours, theirs)
        assert test["difference"] == pytest.approx(difference)
        assert test["standard_error"] == pytest.approx(0.0202388, abs=1e-7)
        assert test["p_value"] == pytest.approx(difference_over_seeds(theirs, ours)["p_value"])
        assert 0.4 < test["p_value"] < 0.6  # one standard error, at one degree of freedom
