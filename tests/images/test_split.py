import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from fashion.errors import InputError
from fashion.images.split import split
from fashion.settings.split import SplitSettings


def settings(**changes: object) -> SplitSettings:
    published = {
        "scheme": "official",
        "random_state": 42,
        "validation": 100,
        "test_fraction": 0.2,
        "validation_fraction": 0.2,
    }
    return SplitSettings.model_validate({**published, **changes})


def test_the_official_scheme_takes_stratified_validation_images_and_keeps_the_test_set(labels: np.ndarray) -> None:
    parts = split(labels, settings(), has_test=True)
    assert parts.test is None
    assert np.bincount(labels[parts.validation]).tolist() == [10] * 10
    assert sorted([*parts.train, *parts.validation]) == list(range(400))


def test_fractions_draw_the_same_images_as_write_up_000(labels: np.ndarray) -> None:
    parts = split(labels, settings(scheme="fractions"), has_test=True)
    others, test = train_test_split(np.arange(400), test_size=0.2, random_state=42)
    train, validation = train_test_split(others, test_size=0.25, random_state=42)
    np.testing.assert_array_equal(parts.train, train)
    np.testing.assert_array_equal(parts.validation, validation)
    np.testing.assert_array_equal(parts.test, test)


def test_data_without_a_test_set_are_split_by_fractions_whatever_the_scheme(labels: np.ndarray) -> None:
    parts = split(labels, settings(), has_test=False)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (240, 80, 80)


def test_the_random_state_decides_the_draw(labels: np.ndarray) -> None:
    first, again, other = (split(labels, settings(random_state=seed), has_test=True).train for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("changes", "count", "complaint"),
    [
        ({"validation": 400}, 400, "split.validation: 400 of 400 labelled images leave none"),
        ({"validation": 5}, 400, "split.validation: cannot stratify"),
        (
            {"scheme": "fractions", "test_fraction": 0.5, "validation_fraction": 0.5},
            400,
            "split.validation_fraction: with split.test_fraction it leaves nothing",
        ),
        ({"scheme": "fractions"}, 1, "1 labelled images are too few"),
    ],
)
def test_a_split_that_leaves_a_part_empty_is_refused(
    labels: np.ndarray, changes: dict, count: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        split(labels[:count], settings(**changes), has_test=True)
