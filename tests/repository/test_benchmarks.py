"""The ways that `make bench` compares do the same work."""

import numpy as np
import pytest
import torch

import engine as bench
import loops
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml

PARAMS: Params = check(load_yaml(bench.ROOT / "params.yaml"), source="params.yaml")


@pytest.mark.parametrize("name", PARAMS.variants)
def test_the_plain_network_is_the_engines_in_the_published_order(name: str, images: np.ndarray) -> None:
    what = PARAMS.variants[name]
    ours = loops.build(what).eval()
    plain = loops.as_published(ours).eval()
    batch = loops.prepared(what, torch.nn.functional.pad(torch.tensor(images[:8]), (2, 2, 2, 2)))
    torch.testing.assert_close(plain(batch), ours(batch), rtol=1e-4, atol=1e-4)
    kinds = [type(layer).__name__ for layer in plain]
    assert set(kinds) <= {
        *("Conv2d", "Linear", "ReLU", "MaxPool2d", "Flatten"),
        *("BatchNorm1d", "BatchNorm2d", "Dropout", "Dropout2d"),
    }


@pytest.mark.parametrize("way", ["engine", "plain"])
def test_each_way_learns(way: str, images: np.ndarray, labels: np.ndarray) -> None:
    what = PARAMS.variants["keras_1"]
    epoch = loops.LOOPS[way](what, torch.tensor(images), torch.tensor(labels, dtype=torch.int64), 1, "fp32")

    def loss() -> float:
        score = epoch()
        return score.loss if way == "engine" else score[0] / len(images)  # type: ignore[attr-defined, index]

    first = loss()
    for _ in range(6):
        last = loss()
    assert last < first / 1.5


def test_the_arithmetic_of_an_image_is_counted() -> None:
    multiplications = 784 * 200 + 200 * 10
    backward = 784 * 200 + 2 * 200 * 10  # no gradient goes back to the pixels
    assert bench.flops_per_image("mlp_200") == 2 * (multiplications + backward)


def test_ratios_are_gathered_by_precision_and_threads() -> None:
    rows = [{"precision": "fp32", "threads": 1, "ratio": ratio} for ratio in (1.0, 4.0)]
    assert bench.means(rows) == {"fp32, 1 thread": {"mean": 2.0, "lowest": 1.0}}
