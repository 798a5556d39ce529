import numpy as np
import pytest
from scipy.stats import binom

from fashion.results.significance import correct_for_number, difference_over_seeds, mcnemar, wilson_interval


def correct_images(*ranges: tuple[int, int]) -> np.ndarray:
    """Mark the images in some ranges, of 1,000, as correctly classified."""
    correct = np.zeros(1000, dtype=bool)
    for start, end in ranges:
        correct[start:end] = True
    return correct


def test_the_interval_is_that_of_wilson() -> None:
    # centre (p + z²/2n) / (1 + z²/n), half width z sqrt(p q / n + z²/4n²) / (1 + z²/n), by hand for p .9 and n 1,000
    assert wilson_interval(900, 1000) == pytest.approx([0.87985, 0.91709], abs=1e-5)


def test_the_interval_contains_the_true_accuracy_19_times_of_20() -> None:
    contains = [low <= 0.92 <= high for low, high in (wilson_interval(count, 1000) for count in range(1001))]
    assert binom.pmf(np.arange(1001), 1000, 0.92)[contains].sum() == pytest.approx(0.95, abs=0.01)


def test_images_that_both_classify_correctly_or_wrongly_do_not_count() -> None:
    result = mcnemar(correct_images((0, 10)), correct_images((10, 30)))
    assert result == mcnemar(correct_images((0, 10), (100, 900)), correct_images((10, 30), (100, 900)))
    assert (result["only_this_right"], result["only_other_right"]) == (10, 20)
    assert result["p_value"] == pytest.approx(0.0987, abs=1e-4)  # twice the chance of at most 10 heads in 30 throws


def test_p_values_are_corrected_for_their_number_after_holm() -> None:
    """The values are those of R: p.adjust(c(0.03, 0.005, 0.01, 0.04), "holm")."""
    tests: list[dict[str, float] | None] = [{"p_value": value} for value in (0.03, 0.005, 0.01, 0.04)]
    correct_for_number([*tests, None])
    assert [test["p_value"] for test in tests if test] == pytest.approx([0.06, 0.02, 0.03, 0.06])
    assert [test["single_p_value"] for test in tests if test] == [0.03, 0.005, 0.01, 0.04]


def test_equal_predictions_have_a_p_value_of_one() -> None:
    assert mcnemar(correct_images((0, 900)), correct_images((0, 900)))["p_value"] == 1


def test_the_p_value_does_not_depend_on_the_order_of_the_systems() -> None:
    a, b = correct_images((0, 700)), correct_images((50, 800))
    assert mcnemar(a, b)["p_value"] == mcnemar(b, a)["p_value"]


def simulate_trainings(
    random: np.random.Generator, seeds: int, accuracy: float, hardness: np.ndarray, spread: float
) -> np.ndarray:
    """Draw trainings whose accuracies differ at random, and which are wrong more often on harder images."""
    accuracies = accuracy + random.normal(0, spread, (seeds, 1))
    return random.random((seeds, len(hardness))) < np.clip(accuracies - hardness, 0, 1)


def test_equally_good_systems_rarely_differ_significantly() -> None:
    random = np.random.default_rng(0)
    significant = []
    for _ in range(400):
        hardness = random.normal(0, 0.2, 500)
        correct, other = (simulate_trainings(random, 3, 0.8, hardness, 0.02) for _ in range(2))
        significant.append(difference_over_seeds(correct, other)["p_value"] < 0.05)
    assert np.mean(significant) <= 0.06, "5% are expected by chance"


def test_a_difference_larger_than_that_between_seeds_is_significant() -> None:
    random = np.random.default_rng(0)
    hardness = random.normal(0, 0.2, 2000)
    better, worse = (simulate_trainings(random, 4, accuracy, hardness, 0.005) for accuracy in (0.85, 0.8))
    test = difference_over_seeds(better, worse)
    assert test["difference"] == pytest.approx(better.mean() - worse.mean())
    assert test["p_value"] < 0.01


def test_a_difference_no_larger_than_that_between_seeds_is_not_significant() -> None:
    correct, other = (
        np.stack([correct_images((0, 900)), correct_images((0, 860))]),
        np.stack([correct_images((0, 890)), correct_images((0, 850))]),
    )
    assert difference_over_seeds(correct, other)["p_value"] > 0.5
    assert mcnemar(correct[0], other[0])["p_value"] < 0.01, "the images alone would make it significant"


def test_equal_trainings_have_a_p_value_of_one() -> None:
    alike = np.stack([correct_images((0, 900))] * 2)
    assert difference_over_seeds(alike, alike)["p_value"] == 1


def test_the_standard_error_is_that_over_images_and_over_the_seeds_of_both_systems() -> None:
    equal, different = (
        np.stack([correct_images((0, 900))] * 2),
        np.stack([correct_images((0, 900)), correct_images((0, 860))]),
    )
    # 20 of 1,000 images differ: variance .0196 x 1000/999, over 1,000 images; no seed does
    images_alone = difference_over_seeds(equal, np.stack([correct_images((0, 880))] * 2))
    assert images_alone["standard_error"] == pytest.approx(0.0044294, abs=1e-7)
    # of 40 images one of two seeds is wrong: .0096 x 1000/999 / 1,000; two seeds of 0.90 and 0.86: .0008 / 2
    for correct, other, difference in ((equal, different, 0.02), (different, equal, -0.02)):
        test = difference_over_seeds(correct, other)
        assert test["difference"] == pytest.approx(difference)
        assert test["standard_error"] == pytest.approx(0.0202388, abs=1e-7)
        assert test["p_value"] == pytest.approx(difference_over_seeds(other, correct)["p_value"])
        assert 0.4 < test["p_value"] < 0.6  # one standard error, at one degree of freedom
