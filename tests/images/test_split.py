import numpy as np
import pytest

from fashion.errors import InputError
from fashion.images.groups import join_groups
from fashion.images.parts import Part, any_member, indices_of, members_with
from fashion.images.split import check_parts, split, stratified_subset
from fashion.settings.split import SplitSettings

CLASSES = [f"class {number}" for number in range(10)]


def make_settings(**changes: object) -> SplitSettings:
    defaults = {
        "scheme": "official",
        "random_state": 42,
        "validation": 100,
        "test_fraction": 0.2,
        "validation_fraction": 0.2,
    }
    return SplitSettings.model_validate({**defaults, **changes})


def split_once(labels: np.ndarray, settings: SplitSettings, **arguments: object) -> tuple[np.ndarray, ...]:
    """Give the indices of training, validation and test images of a split without folds."""
    parts = split(labels, settings, **arguments)
    assert parts.shape == (1, len(labels))
    return tuple(indices_of(parts, part)[0] for part in (Part.TRAIN, Part.VALIDATION, Part.TEST))


def test_the_official_scheme_takes_stratified_validation_images_and_keeps_the_test_set(labels: np.ndarray) -> None:
    train, validation, test = split_once(labels, make_settings(), classes=CLASSES, has_test=True)
    assert len(test) == 0
    assert np.bincount(labels[validation]).tolist() == [10] * 10
    assert sorted([*train, *validation]) == list(range(400))


def test_fractions_are_of_each_class(labels: np.ndarray) -> None:
    parts = split_once(labels, make_settings(scheme="fractions"), classes=CLASSES, has_test=True)
    assert [np.bincount(labels[part]).tolist() for part in parts] == [
        [24] * 10,
        [8] * 10,
        [8] * 10,
    ]
    assert sorted(np.concatenate(parts)) == list(range(400))


def test_each_part_has_images_of_each_class_even_if_there_are_only_three() -> None:
    labels = np.repeat([0, 1, 2], [3, 4, 500])
    parts = split_once(labels, make_settings(scheme="fractions"), classes=CLASSES[:3], has_test=False)
    assert [np.bincount(labels[part]).tolist() for part in parts] == [
        [1, 2, 300],
        [1, 1, 100],
        [1, 1, 100],
    ]


@pytest.mark.parametrize(
    ("test_fraction", "validation_fraction", "counts"),
    [(0.2, 0.75, [[1, 1, 1], [1, 2, 3], [1, 1, 1]]), (0.9, 0.05, [[1, 1, 1], [1, 1, 1], [1, 2, 3]])],
)
def test_large_fractions_leave_an_image_of_each_class_to_train_on(
    test_fraction: float, validation_fraction: float, counts: list[list[int]]
) -> None:
    labels = np.repeat([0, 1, 2], [3, 4, 5])
    settings = make_settings(scheme="fractions", test_fraction=test_fraction, validation_fraction=validation_fraction)
    parts = split_once(labels, settings, classes=CLASSES[:3], has_test=False)
    assert [np.bincount(labels[part]).tolist() for part in parts] == counts


def test_the_number_of_validation_images_may_be_a_fraction(labels: np.ndarray) -> None:
    _, validation, _ = split_once(labels, make_settings(validation=0.25), classes=CLASSES, has_test=True)
    assert len(validation) == 100


@pytest.mark.parametrize(
    ("has_test", "complaint"),
    [
        (False, "class 'class 1' has 2 labelled images and needs 3, one each .*, and 1 more classes have too few"),
        (True, "class 'class 2' has 1 labelled image and needs 2, one each for training and validation"),
    ],
)
def test_a_class_with_too_few_images_is_refused_with_its_name_and_count(has_test: bool, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        settings = make_settings(validation=3, scheme="official" if has_test else "fractions")
        split(np.repeat([0, 1, 2], [10, 2, 1]), settings, classes=CLASSES[:3], has_test=has_test)


def test_a_class_without_any_image_is_refused() -> None:
    with pytest.raises(InputError, match="class 'class 2' has 0 labelled images and needs 3"):
        split(np.repeat([0, 1], 10), make_settings(scheme="fractions"), classes=CLASSES[:3], has_test=False)


def test_the_official_scheme_without_a_test_set_is_refused_with_the_way_out(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="scheme: official, but there are no test images; put them into data/raw/test"):
        split(labels, make_settings(), classes=CLASSES, has_test=False)


@pytest.mark.parametrize("has_test", [True, False])
def test_given_validation_images_are_kept_and_none_are_drawn(labels: np.ndarray, has_test: bool) -> None:
    names = ["validation" if index % 5 == 0 else "train" for index in range(400)]
    settings = make_settings(scheme="official" if has_test else "fractions")
    train, validation, test = split_once(labels, settings, classes=CLASSES, has_test=has_test, given=names)
    assert validation.tolist() == list(range(0, 400, 5))
    assert sorted([*train, *validation, *test]) == list(range(400))
    if has_test:
        assert len(test) == 0
    else:
        counts = np.bincount(labels[np.arange(400) % 5 > 0])
        assert np.bincount(labels[test]).tolist() == [round(0.2 * count) for count in counts]


def test_a_class_whose_images_are_all_for_validation_is_refused() -> None:
    with pytest.raises(InputError, match="class 'class 1' has 0 labelled images and needs 1, for training"):
        labels, parts = np.repeat([0, 1], 3), ["train"] * 3 + ["validation"] * 3
        split(labels, make_settings(), classes=CLASSES[:2], has_test=True, given=parts)


def test_the_draws_for_fashion_mnist_stay_as_published() -> None:
    """The indices are part of all published results."""
    labels = np.tile(np.arange(10), 6000)
    train, validation, _ = split_once(labels, make_settings(validation=10_000), classes=CLASSES, has_test=True)
    assert {4929, 55099, 54850, 58947} <= set(train)
    assert {7970, 2445, 3702, 16327} <= set(validation)


@pytest.mark.parametrize("has_test", [True, False])
def test_each_image_is_held_out_once_and_each_member_is_trained_on_the_others(
    labels: np.ndarray, has_test: bool
) -> None:
    settings = make_settings(scheme="official" if has_test else "fractions", folds=5)
    parts = split(labels, settings, classes=CLASSES, has_test=has_test)
    held_out = Part.VALIDATION if has_test else Part.TEST
    assert parts.shape == (5, 400)
    assert (parts == held_out).sum(0).tolist() == [1] * 400
    assert np.bincount(members_with(parts, held_out)).tolist() == [80] * 5
    if has_test:
        assert not (parts == Part.TEST).any()
    else:
        assert len(any_member(parts, Part.VALIDATION)) == 200, "half of each fold is validated on, by the one before"
        assert (parts == Part.VALIDATION).sum(0).max() == 1
    for train in indices_of(parts, Part.TRAIN):
        assert np.bincount(labels[train]).tolist() == [32 if has_test else 28] * 10


@pytest.mark.parametrize(("has_test", "needed"), [(False, 4), (True, 3)])
@pytest.mark.parametrize("folds", [3, 5])
def test_the_smallest_class_is_trained_on_by_each_member_with_any_seed(folds: int, has_test: bool, needed: int) -> None:
    scheme = "official" if has_test else "fractions"
    for seed in range(20):
        labels = np.repeat([0, 1, 2], [needed, 40, 60])
        settings = make_settings(scheme=scheme, folds=folds, random_state=seed)
        parts = split(labels, settings, classes=CLASSES[:3], has_test=has_test)
        assert all((labels[train] == 0).any() for train in indices_of(parts, Part.TRAIN))
    with pytest.raises(InputError, match=f"has {needed - 1} labelled images and needs {needed}, two for"):
        split(labels[1:], settings, classes=CLASSES[:3], has_test=has_test)


@pytest.mark.parametrize("folds", [0, 5])
def test_a_class_that_only_the_official_test_set_has_is_allowed(labels: np.ndarray, folds: int) -> None:
    settings = make_settings(folds=folds)
    assert split(labels, settings, classes=[*CLASSES, "only tested"], has_test=True).shape == (folds or 1, 400)


def test_given_validation_images_stay_as_given_if_they_are_copies_of_others(labels: np.ndarray) -> None:
    names = ["validation" if index % 5 == 0 else "train" for index in range(400)]
    for groups in (np.arange(400) // 5, np.where(np.arange(400) < 20, 0, np.arange(400))):
        for has_test in (True, False):
            settings = make_settings(scheme="official" if has_test else "fractions")
            (row,) = split(labels, settings, classes=CLASSES, has_test=has_test, given=names, groups=groups)
            assert np.flatnonzero(row == Part.VALIDATION).tolist() == list(range(0, 400, 5))
            others = np.arange(400) % 5 > 0
            assert all(len(set(row[others & (groups == group)])) == 1 for group in set(groups[others]))
            assert np.mean(row == Part.TEST) == pytest.approx(0 if has_test else 0.16, abs=0.05)


def test_images_of_one_group_beside_given_validation_images_are_refused(labels: np.ndarray) -> None:
    names = ["validation" if index % 5 == 0 else "train" for index in range(400)]
    with pytest.raises(InputError, match="are of 1 group that must .*, and training and test need at least 2"):
        split(
            labels,
            make_settings(scheme="fractions"),
            classes=CLASSES,
            has_test=False,
            given=names,
            groups=np.zeros(400, int),
        )


@pytest.mark.parametrize("has_test", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 12])
def test_few_groups_are_split_whole_or_refused_with_their_number(
    labels: np.ndarray, has_test: bool, count: int
) -> None:
    groups = np.arange(400) % count
    settings = make_settings(scheme="official" if has_test else "fractions")
    if count < (2 if has_test else 3):
        with pytest.raises(
            InputError, match=f"are of {count} groups? that must stay together, .* at least .; add images"
        ):
            split(labels, settings, classes=CLASSES, has_test=has_test, groups=groups)
        return
    (row,) = split(labels, settings, classes=CLASSES, has_test=has_test, groups=groups)
    assert all(len(set(row[groups == group])) == 1 for group in range(count))
    assert set(row) == {Part.TRAIN, Part.VALIDATION} | (set() if has_test else {Part.TEST})


@pytest.mark.parametrize("has_test", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_for_each_class_and_small_classes_with_copies_are_refused_if_nothing_is_left_to_train_on(
    labels: np.ndarray, has_test: bool, seed: int
) -> None:
    settings = make_settings(scheme="official" if has_test else "fractions", validation=0.2, random_state=seed)
    with pytest.raises(InputError, match="its images are copies or of so few groups that none are left to train on"):
        split(labels, settings, classes=CLASSES, has_test=has_test, groups=labels.astype(int))
    few, copies = np.repeat(np.arange(5), 3), np.arange(15) - (np.arange(15) % 3 == 1)
    try:
        (row,) = split(few, settings, classes=CLASSES[:5], has_test=has_test, groups=copies)
    except InputError as error:
        assert "groups" in str(error)
    else:
        assert set(few[row == Part.TRAIN]) == set(range(5))


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.3, 0.4, 0.6])
def test_whole_groups_come_near_to_any_fraction(labels: np.ndarray, fraction: float) -> None:
    settings = make_settings(scheme="fractions", test_fraction=fraction, validation_fraction=0.3)
    (row,) = split(labels, settings, classes=CLASSES, has_test=False, groups=np.arange(400) // 4)
    assert np.mean(row == Part.TEST) == pytest.approx(fraction, abs=0.03)
    assert np.mean(row == Part.VALIDATION) == pytest.approx(0.3, abs=0.05)


def test_groups_are_refused_for_the_same_fractions_and_class_sizes_as_images(labels: np.ndarray) -> None:
    settings = make_settings(scheme="fractions", test_fraction=0.6, validation_fraction=0.6)
    with pytest.raises(InputError, match="split.validation_fraction: with split.test_fraction it leaves nothing"):
        split(labels, settings, classes=CLASSES, has_test=False, groups=np.arange(400) // 4)
    with pytest.raises(InputError, match="split.validation: 400 of 400 labelled images leave none"):
        split(labels, make_settings(validation=400), classes=CLASSES, has_test=True, groups=np.arange(400) // 4)
    small = np.repeat([0, 1, 2], [2, 40, 60])
    with pytest.raises(InputError, match="class 'class 0' has 2 labelled images and needs 3"):
        split(small, make_settings(scheme="fractions"), classes=CLASSES[:3], has_test=False, groups=np.arange(102) // 4)


def test_a_huge_group_is_trained_on(labels: np.ndarray) -> None:
    groups = np.where(np.arange(400) < 200, 0, np.arange(400))
    for seed in range(5):
        settings = make_settings(scheme="fractions", random_state=seed)
        (row,) = split(labels, settings, classes=CLASSES, has_test=False, groups=groups)
        assert (row[:200] == Part.TRAIN).all()


def test_a_part_that_copies_leave_empty_is_refused() -> None:
    parts = np.full((1, 23), Part.TRAIN, np.uint8)
    parts[0, 5] = Part.VALIDATION
    check_parts(parts, official=True)
    with pytest.raises(InputError, match="no images are left for the part test, since images of a group and copies"):
        check_parts(parts, official=False)


@pytest.mark.parametrize("changes", [{"folds": 5}, {}, {"test_fraction": 0.1}])
def test_images_of_a_group_are_never_in_two_parts(labels: np.ndarray, changes: dict) -> None:
    groups = np.arange(400) // 8
    settings = make_settings(scheme="fractions", **changes)
    for row in split(labels, settings, classes=CLASSES, has_test=False, groups=groups):
        assert all(len(set(row[groups == group])) == 1 for group in range(50))
        shares = np.bincount(row, minlength=4)[1:] / 400
        assert shares[2] == pytest.approx(changes.get("test_fraction", 0.2), abs=0.05)


def test_a_few_copies_follow_the_first_of_their_group_and_nothing_else_changes(labels: np.ndarray) -> None:
    settings = make_settings(scheme="fractions")
    groups = np.arange(400)
    alone = split(labels, settings, classes=CLASSES, has_test=False, groups=groups)[0]
    copies = np.flatnonzero(alone != alone[0])[:3]
    groups[copies] = 0
    together = split(labels, settings, classes=CLASSES, has_test=False, groups=groups)[0]
    assert (together[copies] == together[0]).all()
    np.testing.assert_array_equal(np.delete(together, copies), np.delete(alone, copies))


def test_groups_that_share_an_image_are_joined() -> None:
    patients, copies = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    assert join_groups(patients, copies).tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        (np.arange(400) // 50, "split.folds: 5 folds need 10 groups of images, and there are 8"),
        (np.where(np.arange(400) % 10 == 3, 0, np.arange(400)), "class 'class 3': its images are copies or of so few"),
    ],
)
def test_folds_that_leave_a_class_or_a_fold_empty_are_refused(groups: np.ndarray, complaint: str) -> None:
    labels = np.arange(400) % 10
    with pytest.raises(InputError, match=complaint):
        split(labels, make_settings(scheme="fractions", folds=5), classes=CLASSES, has_test=False, groups=groups)


def test_more_folds_than_images_of_any_class_are_refused(labels: np.ndarray) -> None:
    settings = make_settings(scheme="fractions", folds=30)
    with pytest.raises(
        InputError, match="no class has 60 images, and the largest has 40; set it to 0, or to at most 20"
    ):
        split(labels, settings, classes=CLASSES, has_test=False)


def test_the_split_depends_on_the_random_state(labels: np.ndarray) -> None:
    first, again, other = (
        split(labels, make_settings(random_state=seed), classes=CLASSES, has_test=True) for seed in (1, 1, 2)
    )
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
        ({"scheme": "fractions"}, 1, "class .* has 0 labelled images and needs 3"),
    ],
)
def test_a_split_that_leaves_a_part_empty_is_refused(
    labels: np.ndarray, changes: dict, count: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        split(labels[:count], make_settings(**changes), classes=CLASSES, has_test=True)


def test_a_subset_has_the_proportions_of_the_classes(labels: np.ndarray) -> None:
    indices = stratified_subset(labels, 50)
    assert np.bincount(labels[indices]).tolist() == [5] * 10
    assert sorted(set(indices)) == list(indices), "each once, in the order of the part"


def test_a_subset_has_an_image_of_the_rarest_class() -> None:
    labels = np.repeat([0, 1, 2], [350, 1, 650])
    assert np.bincount(labels[stratified_subset(labels, 10)])[1] == 1


@pytest.mark.parametrize("at_most", [None, 400, 5000])
def test_a_subset_of_a_small_part_is_the_whole_part(labels: np.ndarray, at_most: int | None) -> None:
    assert np.array_equal(labels[stratified_subset(labels, at_most)], labels)
