import numpy as np
import pytest

from fashion.results.audit import copy_rows, exact_pairs, expected_leaks, problem_of, with_copy_elsewhere


def sample(name: str = "", part: str = "train", file: str = "a.png", first_copy: str = "a.png") -> dict[str, str]:
    return {"class": name, "part": part, "file": file, "first_copy": first_copy}


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (sample("cat"), sample("dog"), "contradiction"),
        (sample("cat"), sample("dog", "test"), "contradiction"),
        (sample("cat"), sample("cat", "test"), "leak"),
        (sample("cat", "fold 1"), sample("cat", "fold 2"), "leak"),
        (sample("cat"), sample("cat"), "repeated"),
        (sample("cat"), sample(part="unlabelled"), "known"),
        (sample(part="unlabelled"), sample("cat", "validation"), "known"),
        (sample("cat", "test"), sample(part="unlabelled"), None),
        (sample("cat", "unused"), sample("cat", "test"), None),
        (sample(part="unlabelled"), sample(part="unlabelled"), None),
    ],
)
def test_the_problem_of_two_copies_is_named(first: dict, second: dict, problem: str | None) -> None:
    assert problem_of(first, second) == problem


def test_each_copy_is_paired_with_the_first_labelled_one() -> None:
    samples = [sample("cat"), sample("cat"), sample("cat", first_copy="b.png"), sample(), sample(first_copy="c.png")]
    assert exact_pairs(samples) == [(0, 1), (0, 3)]


def test_the_worst_problems_and_the_most_alike_of_each_come_first() -> None:
    samples = [sample("cat", file="0"), sample("dog", file="1"), sample("cat", "test", "2"), sample("cat", file="3")]
    rows = copy_rows(samples, [(0, 3), (0, 2), (2, 3), (0, 1)], [1.0, 0.996, 0.998, 0.997])
    assert [(row["problem"], row["file"], row["other_file"]) for row in rows] == [
        ("contradiction", "0", "1"),
        ("leak", "2", "3"),
        ("leak", "0", "2"),
        ("repeated", "0", "3"),
    ]


def test_images_with_a_copy_or_a_copy_of_a_copy_in_another_part_are_named() -> None:
    samples = [
        sample("cat", "train", "0"),
        sample("dog", "test", "1"),
        sample("cat", "train", "2"),
        sample("cat", "unused", "3"),
        sample("", "unlabelled", "4"),
        sample("cat", "validation", "5"),
        sample("cat", "test", "6"),
        sample("cat", "test", "7"),
        sample("cat", "test", "8"),
    ]
    rows = copy_rows(samples, [(0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (7, 8)], [1.0] * 6)
    assert with_copy_elsewhere(rows) == {"0", "1", "2", "5", "6"}
    assert with_copy_elsewhere([]) == set()


def test_groups_of_copies_that_a_later_pair_joins_are_one() -> None:
    samples = [sample("cat", part, file) for file, part in zip("abcd", ["train", "train", "test", "test"], strict=True)]
    apart = copy_rows(samples, [(0, 1), (2, 3)], [1.0] * 2)
    joint = copy_rows(samples, [(1, 2)], [0.996])
    assert with_copy_elsewhere(apart) == set()
    for rows in ([*apart, *joint], [*joint, *apart]):
        assert with_copy_elsewhere(rows) == set("abcd")


def test_a_random_split_leaks_copies_by_the_size_of_their_groups() -> None:
    rng, share = np.random.default_rng(0), 0.6
    groups = np.array([0] * 5 + [1] * 2 + [2] * 2 + [*range(3, 14)])
    drawn = rng.random((20_000, len(groups))) < share
    leaked = [(drawn & (groups == group)).sum(1) - drawn[:, index] > 0 for index, group in enumerate(groups)]
    assert expected_leaks(groups, share) == pytest.approx(np.mean(leaked), abs=0.005)
