import re

import numpy as np
import pytest

from fashion.results.embedding import CHUNK, lay_out, most_similar, most_similar_pairs
from fashion.results.figures.embedding import draw_map, draw_pairs, draw_similar_to_mistakes
from small import colour_tiles


def test_the_most_similar_candidates_are_those_of_the_smallest_angle() -> None:
    candidates = np.array([[1.0, 0], [10, 10], [0, 1], [-1, 0]])
    indices, similarities = most_similar(np.array([[5.0, 0.1], [0, 3]]), candidates, count=2)
    assert indices.tolist() == [[0, 1], [2, 1]]
    assert similarities[1].tolist() == pytest.approx([1, 0.5**0.5])


def test_an_image_is_not_its_own_most_similar_one() -> None:
    features = np.random.default_rng(0).normal(size=(CHUNK + 5, 4))
    others, _ = most_similar(features, features, 1, itself=np.arange(CHUNK + 5))
    assert (others[:, 0] != np.arange(CHUNK + 5)).all()


def test_no_images_have_no_similar_ones() -> None:
    indices, similarities = most_similar(np.empty((0, 2)), np.eye(2), count=5)
    assert indices.shape == similarities.shape == (0, 5)


def test_each_pair_is_listed_once_and_the_most_similar_first() -> None:
    pairs = most_similar_pairs(np.array([[1, 0], [1, 0.1], [0, 1], [0.5, 1]]))
    assert [pair[:2] for pair in pairs] == [(0, 1), (2, 3)]
    assert most_similar_pairs(np.ones((1, 2))) == []


def test_similar_images_lie_side_by_side_on_the_map() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(20, 8)) * 0.05 + centre for centre in np.eye(8)[:2]])
    places = lay_out(features)
    assert places.min() == 0
    assert places.max() == 1
    middles = [places[:20].mean(0), places[20:].mean(0)]
    apart = np.linalg.norm(middles[0] - middles[1])
    assert np.linalg.norm(places[:20] - middles[0], axis=1).max() < apart / 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_images_have_places_too(count: int) -> None:
    assert lay_out(np.random.default_rng(0).normal(size=(count, 8))).shape == (count, 2)


def test_a_map_has_each_image_with_its_class_and_file_and_no_markup_of_them() -> None:
    images, labels = colour_tiles(32, 48)
    chosen = images[:12], labels[:12]
    files = [f"train/<b>{number}.png" for number in range(12)]
    svg = draw_map(np.random.default_rng(0).random((12, 2)), *chosen, files, ["<temple>", "flower"], "A map")
    assert svg.count("data:image/jpeg;base64,") == 12
    assert "<title>&lt;temple&gt;, train/&lt;b&gt;0.png</title>" in svg
    assert not re.search("<b>|<temple>", svg)


def test_classes_of_the_same_colour_are_dots_and_rings() -> None:
    images, _ = colour_tiles(32, 48)
    names = [f"class {number}" for number in range(8)]
    svg = draw_map(np.random.default_rng(0).random((8, 2)), images[:8], np.arange(8), names, names, "A map")
    marks = re.findall('fill="(#.{6}|white)" stroke="(#.{6})"/?', svg.replace(' stroke-width="2"', ""))
    assert len(set(marks)) == 8


def test_figures_of_similar_images_have_classes_and_files() -> None:
    images, labels = colour_tiles(32, 48)
    files = [f"{number}.png" for number in range(len(labels))]
    similar = images[[[2, 4, 6, 8, 10]]]
    names = [[("temple", files[index]) for index in (2, 4, 6, 8, 10)]]
    figure = draw_similar_to_mistakes(images[:1], similar, [("temple", "flower", files[0])], names)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:2] == ["temple\ntaken for flower\n0.png", "temple\n2.png"]
    figure = draw_pairs(images[:2], ["temple", "flower"], files[:2], [0.98765], 7)
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "temple\n0.png\nsimilarity 0.988",
        "flower\n1.png\nsimilarity 0.988",
    ]
    assert figure.axes[0].get_title("left") == "The 1 most similar of 7 pairs of labelled images"


def test_without_mistakes_the_figure_says_so() -> None:
    figure = draw_similar_to_mistakes(np.empty((0, 3, 8, 8), np.uint8), np.empty((0, 5, 3, 8, 8), np.uint8), [], [])
    assert figure.axes[0].get_title("left") == "There are no mistakes on test images"
