from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.networks.families.ramped_cnn import RAMP
from fashion.params import Params, check
from fashion.settings.model import Variant
from fashion.settings.parsing import load_yaml
from fashion.training.optimizers import make_optimizer

ROOT = Path(__file__).parents[2]

# Trainable parameters as published; those of BatchNorm are two a channel.
PUBLISHED = {
    "base": 624_778,
    "wide": 1_184_010,
    "deep": 690_826,
    "sgd": 624_778,
    "l2": 624_778,
    "batch_norm": 626_570,
    "dropout": 624_778,
    "base_cnn": 166_986,
    "wide_cnn": 315_146,
    "deep_cnn": 376_042,
    "sgd_cnn": 166_986,
    "l2_cnn": 166_986,
    "batch_norm_cnn": 167_178,
    "dropout_cnn": 166_986,
    "final_cnn": 4_798_986,
    "mlp_200": 159_010,
    "kernel_3": 154_438,
    "kernel_4": 115_174,
    "kernel_5": 116_038,
    "kernel_6": 83_302,
    "kernel_7": 84_550,
    "kernel_8": 58_342,
    "better": 2_342_090,
    "keras_1": 201_578,
    "keras_2": 407_642,
    "two_layer_cnn": 28_938,
    "bn_cnn": 33_250,
}


@pytest.fixture(scope="session")
def params() -> Params:
    return check(load_yaml(ROOT / "params.yaml"), source="params.yaml")


def build(system: Variant) -> nn.Module:
    return factory.build_network(system.family, system.arguments, image_size=system.input.side(28), num_classes=10)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_system_has_its_parameters_gives_ten_logits_and_learns(
    name: str, params: Params, images: np.ndarray, labels: np.ndarray
) -> None:
    torch.manual_seed(0)
    system = params.variants[name]
    model = build(system)
    assert sum(weights.numel() for weights in model.parameters()) == PUBLISHED[name]

    padded = np.pad(images[:50], ((0, 0), (2, 2), (2, 2)))
    inputs = Preparation.of(padded, size=system.input.side(28), scaling=system.input.scaling)(torch.from_numpy(padded))
    targets = torch.from_numpy(labels[:50].astype(np.int64))
    assert model(inputs).shape == (50, 10)

    model.eval()  # the same network before and after: no dropout
    optimizer = make_optimizer(next(iter(system.phases.values())), model)
    losses = []
    for _ in range(6):
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert min(losses[1:]) < losses[0]


def test_params_yaml_has_all_published_systems(params: Params) -> None:
    assert set(params.variants) == set(PUBLISHED)


@pytest.fixture
def whitened() -> nn.Module:
    torch.manual_seed(0)
    return factory.build_network("whitened_cnn", {"channels": [16, 32]}, image_size=28, num_classes=10)


def test_whitened_patches_have_variance_1_in_each_direction(whitened: nn.Module, images: np.ndarray) -> None:
    inputs = torch.tensor(images).unsqueeze(1).float().div(255)
    assert isinstance(whitened, factory.InitFromData)
    whitened.init_from_data(inputs)
    responses = whitened[0](inputs).transpose(0, 1).flatten(1)[:4]  # type: ignore[index]
    second_moments = responses @ responses.T / responses.shape[1]
    torch.testing.assert_close(second_moments.diagonal(), torch.ones(4), atol=0.2, rtol=0)
    assert (second_moments - second_moments.diag().diag()).abs().max() < 1e-3


def test_convolutions_of_a_whitened_network_start_as_the_identity(whitened: nn.Module) -> None:
    maps = torch.rand(2, 16, 9, 9)
    convolution = next(layer for layer in whitened if isinstance(layer, nn.Conv2d) and layer.in_channels == 16)
    torch.testing.assert_close(convolution(maps)[:, :16], maps)


def test_a_whitened_network_trains_only_filters_shifts_and_the_linear_layer(
    whitened: nn.Module,
) -> None:
    trained = {tuple(weights.shape) for weights in whitened.parameters() if weights.requires_grad}
    assert trained == {(16, 8, 3, 3), (16, 16, 3, 3), (32, 16, 3, 3), (32, 32, 3, 3), (10, 32), (16,), (32,)}


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_the_final_model_learns_at_each_size(size: str, params: Params, images: np.ndarray, labels: np.ndarray) -> None:
    torch.manual_seed(0)
    model = factory.build_network("whitened_cnn", params.model.at_size(size).arguments, image_size=28, num_classes=10)
    inputs = Preparation.of(images, size=params.model.input.side(28), scaling=params.model.input.scaling)(
        torch.from_numpy(images[:50])
    )
    model.init_from_data(inputs)  # type: ignore[operator]
    targets = torch.from_numpy(labels[:50].astype(np.int64))
    optimizer = make_optimizer(params.model.phases["main"], model)
    losses = []
    for _ in range(4):
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_peak_dropout_of_one_half_gives_the_published_rates(params: Params) -> None:
    final_cnn = build(params.variants["final_cnn"])
    rates = [layer.p for layer in final_cnn if isinstance(layer, nn.Dropout2d | nn.Dropout)]  # type: ignore[attr-defined]
    assert rates == [0.1, 0.3, 0.5, 0.5] * 2
    assert tuple(rate / 0.5 for rate in rates[:4]) == RAMP


def test_pooling_before_relu_and_channel_dropout_gives_the_same_as_after_them(images: np.ndarray) -> None:
    inputs = torch.tensor(images[:20]).unsqueeze(1).float()
    conv = nn.Conv2d(1, 8, 3)
    before = nn.Sequential(conv, nn.MaxPool2d(2), nn.ReLU(), nn.Dropout2d(0.5))
    after = nn.Sequential(conv, nn.ReLU(), nn.Dropout2d(0.5), nn.MaxPool2d(2))
    torch.manual_seed(1)
    first = before(inputs)
    torch.manual_seed(1)
    torch.testing.assert_close(first, after(inputs))


def test_every_module_of_the_folder_is_a_family_with_a_schema() -> None:
    assert factory.family_names() == ["cnn", "mlp", "ramped_cnn", "whitened_cnn"]
    assert list(factory.family_schema("mlp").model_fields) == ["hidden", "batch_norm", "dropout"]


@pytest.mark.parametrize(
    ("family", "arguments", "complaint"),
    [
        ("cnn", {"channels": [8, 8], "kernels": [3], "hidden": []}, "kernels: 1 entries for 2 channels"),
        (
            "cnn",
            {"channels": [8], "kernels": [29], "hidden": []},
            "convolution 1: kernel 29 .* not fit a 28x28 map",
        ),
        ("cnn", {"channels": [8], "kernels": [3], "hidden": [9], "hidden_norm": []}, "hidden_norm: 0 entries for 1"),
        ("mlp", {"hidden": [9, 9], "dropout": [0.1]}, "dropout: 1 entries for 2 hidden"),
        ("whitened_cnn", {"channels": [9] * 5}, "5 blocks need images of at least 33 pixels a side, not 28"),
    ],
)
def test_layers_that_do_not_fit_are_refused_by_name(family: str, arguments: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        factory.build_network(family, arguments, image_size=28, num_classes=10)
