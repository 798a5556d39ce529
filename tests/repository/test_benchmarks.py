"""Test that the training loops that `make bench` compares do the same work, and how it computes its results."""

import numpy as np
import pytest
import torch

from benchmarks import engine, loops
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml

PARAMS: Params = check(load_yaml(engine.ROOT / "params.yaml"), source="params.yaml")


@pytest.mark.parametrize("name", PARAMS.variants)
def test_the_plain_network_has_pytorchs_layers_and_the_logits_of_the_engines(name: str, images: np.ndarray) -> None:
    variant = PARAMS.variants[name]
    model = loops.build_network(variant).eval()
    plain = loops.as_published(model).eval()
    batch = loops.prepare_all(variant, torch.from_numpy(loops.FRAME.centred(images[:8])))
    torch.testing.assert_close(plain(batch), model(batch), rtol=1e-4, atol=1e-4)
    assert {type(layer).__name__ for layer in plain} <= {
        *("Conv2d", "Linear", "ReLU", "MaxPool2d", "Flatten"),
        *("BatchNorm1d", "BatchNorm2d", "Dropout", "Dropout2d"),
    }


@pytest.mark.parametrize("loop", ["engine", "plain"])
def test_each_loop_lowers_the_loss(loop: str, images: np.ndarray, labels: np.ndarray) -> None:
    variant = PARAMS.variants["keras_1"]
    framed, targets = torch.from_numpy(loops.FRAME.centred(images)), torch.tensor(labels, dtype=torch.int64)
    epoch = loops.LOOPS[loop](variant, framed, targets, 1, "fp32")

    def loss() -> float:
        score = epoch()
        return score.loss if loop == "engine" else score[0] / len(images)  # type: ignore[attr-defined, index]

    first = loss()
    for _ in range(6):
        last = loss()
    assert last < first / 1.5


def test_floating_point_operations_are_counted_forward_and_backward() -> None:
    multiplications = 784 * 200 + 200 * 10
    backward = 784 * 200 + 2 * 200 * 10  # no gradient is computed for the pixels
    assert engine.flops_per_image("mlp_200") == 2 * (multiplications + backward)


def test_ratios_are_averaged_by_precision_and_threads() -> None:
    rows = [{"precision": "fp32", "threads": 1, "ratio": ratio} for ratio in (1.0, 4.0)]
    assert engine.geometric_means(rows) == {"fp32, 1 thread": {"mean": 2.0, "lowest": 1.0}}
