import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch import nn
from torch.nn.functional import cross_entropy

from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.networks.families.ramped_cnn import RAMP
from fashion.params import Params, check
from fashion.settings.model import Phase, System, Variant
from fashion.settings.parsing import load_yaml
from fashion.training.optimizers import make_optimizer
from fashion.training.train import whole_frame
from small import colour_tiles

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
    size = system.input.input_size(28, 28)
    return factory.build_network(system.family, system.arguments, image_shape=(1, *size), num_classes=10)


def input_of(system: System, images: np.ndarray) -> torch.Tensor:
    """Prepare images that fill their arrays for a system."""
    size = system.input.input_size(*images.shape[2:])
    fill = system.input.size == "auto"
    preparation = Preparation.of(images, whole_frame(images), size=size, scaling=system.input.scaling, fill=fill)
    return preparation(torch.from_numpy(images))


def losses_of(model: nn.Module, phase: Phase, inputs: torch.Tensor, labels: np.ndarray, *, steps: int) -> list[float]:
    """Take some steps on the same images, and give the loss before each."""
    optimizer, targets = make_optimizer(phase, model), torch.from_numpy(labels.astype(np.int64))
    losses = []
    for _ in range(steps):
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_system_has_its_parameters_gives_ten_logits_and_learns(
    name: str, params: Params, images: np.ndarray, labels: np.ndarray
) -> None:
    torch.manual_seed(0)
    system = params.variants[name]
    model = build(system)
    assert sum(weights.numel() for weights in model.parameters()) == PUBLISHED[name]

    inputs = input_of(system, images[:50])
    assert model(inputs).shape == (50, 10)
    model.eval()  # the same network before and after: no dropout
    losses = losses_of(model, next(iter(system.phases.values())), inputs, labels[:50], steps=6)
    assert min(losses[1:]) < losses[0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_system_takes_colour_with_three_input_channels_and_the_same_other_layers(
    name: str, params: Params
) -> None:
    system = params.variants[name]
    size = system.input.input_size(28, 28)
    grey, colour = (
        factory.build_network(system.family, system.arguments, image_shape=(channels, *size), num_classes=10)
        for channels in (1, 3)
    )
    (first_grey, *others), (first_colour, *others_colour) = (
        [weights.shape for weights in model.parameters()] for model in (grey, colour)
    )
    assert others == others_colour
    if system.family == "mlp":
        assert first_colour == (first_grey[0], 3 * first_grey[1])
    else:
        assert first_colour == (first_grey[0], 3, *first_grey[2:])


@pytest.fixture(scope="session")
def own_params() -> Params:
    """Give the settings that `fashion init` writes."""
    text = (ROOT / "src/fashion/own_images.yaml").read_text(encoding="utf-8")
    text = text.replace("SOURCE", "folder", 1).replace("SCHEME", "fractions", 1)
    return check(YAML(typ="safe").load(text), source="params.yaml")


@pytest.mark.parametrize(("height", "width"), [(28, 28), (28, 40), (56, 28), (128, 128)])
@pytest.mark.parametrize("name", ["linear", "mlp", "cnn", "cnn_batch_norm", "cnn_shifted"])
def test_the_variants_for_own_images_learn_from_colour_images_of_any_proportions(
    name: str, height: int, width: int, own_params: Params
) -> None:
    torch.manual_seed(0)
    system, (tiles, labels) = own_params.variants[name], colour_tiles(height, width)
    inputs = input_of(system, tiles[:24])
    model = factory.build_network(system.family, system.arguments, image_shape=inputs.shape[1:], num_classes=2)
    assert model(inputs).shape == (24, 2)
    model.eval()
    losses = losses_of(model, next(iter(system.phases.values())), inputs, labels[:24], steps=12)
    assert min(losses[1:]) < losses[0]


@pytest.mark.parametrize(("height", "width"), [(20, 20), (20, 224), (224, 40), (224, 224), (65, 64), (4, 4), (8, 100)])
def test_the_systems_for_own_images_fit_every_size_that_images_may_have(
    height: int, width: int, own_params: Params
) -> None:
    for system in (own_params.model.at_size("large"), *own_params.variants.values()):
        size = system.input.input_size(height, width)
        assert size[0] / size[1] == pytest.approx(height / width, rel=0.05)
        model = factory.build_network(system.family, system.arguments, image_shape=(3, *size), num_classes=10)
        assert model(torch.zeros(2, 3, *size)).shape == (2, 10)
        assert sum(weights.numel() for weights in model.parameters()) < 4_000_000


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(("height", "width"), [(28, 40), (56, 28)])
def test_published_systems_take_wide_images_or_say_which_layer_does_not_fit(
    height: int, width: int, name: str, params: Params
) -> None:
    system = params.variants[name]
    size = system.input.input_size(height, width)
    try:
        model = factory.build_network(system.family, system.arguments, image_shape=(3, *size), num_classes=10)
        assert model(torch.zeros(2, 3, *size)).shape == (2, 10)
    except ValueError as error:
        assert re.fullmatch(r"convolution \d: kernel \d with .* does not fit a \d+x\d+ map", str(error))


def test_params_yaml_has_all_published_systems(params: Params) -> None:
    assert set(params.variants) == set(PUBLISHED)


@pytest.fixture
def whitened() -> nn.Module:
    torch.manual_seed(0)
    return factory.build_network("whitened_cnn", {"channels": [16, 32]}, image_shape=(1, 28, 28), num_classes=10)


def test_whitened_patches_have_variance_1_in_each_direction(whitened: nn.Module, images: np.ndarray) -> None:
    inputs = torch.tensor(images).float().div(255)
    assert isinstance(whitened, factory.InitFromData)
    whitened.init_from_data(inputs)
    responses = whitened[0](inputs).transpose(0, 1).flatten(1)[:4]  # type: ignore[index]
    second_moments = responses @ responses.T / responses.shape[1]
    torch.testing.assert_close(second_moments.diagonal(), torch.ones(4), atol=0.2, rtol=0)
    assert (second_moments - second_moments.diag().diag()).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("height", "width", "stride"),
    [
        (28, 28, 1),
        (32, 32, 1),
        (28, 90, 1),
        (47, 47, 1),
        (50, 50, 2),
        (64, 64, 2),
        (64, 96, 2),
        (128, 128, 4),
        (224, 224, 7),
    ],
)
def test_patches_grow_with_the_image_so_that_maps_have_some_32_pixels_a_side(
    height: int, width: int, stride: int
) -> None:
    shape = (3, height, width)
    model = factory.build_network("whitened_cnn", {"channels": [16, 32]}, image_shape=shape, num_classes=10)
    assert model[0].weight.shape == (24, 3, 2 * stride, 2 * stride)  # type: ignore[index]
    maps = model[0](torch.zeros(2, *shape))  # type: ignore[index]
    assert maps.shape == (2, 24, height // stride - 1, width // stride - 1)
    assert 24 <= min(maps.shape[2:]) <= 46
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 64), (64, 64), (128, 128)])
def test_whitened_colour_patches_have_nearly_variance_1_in_the_directions_in_which_they_vary_most(
    height: int, width: int
) -> None:
    inputs = torch.tensor(colour_tiles(height, width)[0][:200]).float().sub(110).div(70)
    model = factory.build_network("whitened_cnn", {"channels": [16]}, image_shape=(3, height, width), num_classes=2)
    model.init_from_data(inputs)  # type: ignore[operator]
    responses = model[0](inputs).transpose(0, 1).flatten(1)  # type: ignore[index]
    assert torch.equal(responses[:12], -responses[12:])
    second_moments = responses[:12] @ responses[:12].T / responses.shape[1]
    variances = second_moments.diagonal()
    assert 0.9 < variances[0] < 1
    assert (variances.diff() <= 1e-6).all(), "EPSILON damps directions of little variance"
    assert variances[-1] < 0.5
    assert (second_moments - variances.diag()).abs().max() < 1e-3
    norms = model[0].weight[:12].flatten(1).norm(dim=1)  # type: ignore[index]
    assert (norms.diff() >= 0).all(), "the directions with most variance first"


@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 52), (64, 64), (128, 128)])
def test_the_final_model_learns_from_colour_images_of_any_proportions(height: int, width: int, params: Params) -> None:
    torch.manual_seed(0)
    system, (tiles, labels) = params.model.at_size("small"), colour_tiles(height, width)
    inputs = input_of(system, tiles[:24])
    model = factory.build_network("whitened_cnn", system.arguments, image_shape=inputs.shape[1:], num_classes=2)
    model.init_from_data(inputs)  # type: ignore[operator]
    losses = losses_of(model, system.phases["main"], inputs, labels[:24], steps=4)
    assert losses[-1] < losses[0]


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
    system = params.model.at_size(size)
    model = factory.build_network("whitened_cnn", system.arguments, image_shape=(1, 28, 28), num_classes=10)
    inputs = input_of(system, images[:50])
    model.init_from_data(inputs)  # type: ignore[operator]
    losses = losses_of(model, system.phases["main"], inputs, labels[:50], steps=4)
    assert losses[-1] < losses[0]


def test_a_peak_dropout_of_one_half_gives_the_published_rates(params: Params) -> None:
    final_cnn = build(params.variants["final_cnn"])
    rates = [layer.p for layer in final_cnn if isinstance(layer, nn.Dropout2d | nn.Dropout)]  # type: ignore[attr-defined]
    assert rates == [0.1, 0.3, 0.5, 0.5] * 2
    assert tuple(rate / 0.5 for rate in rates[:4]) == RAMP


def test_pooling_before_relu_and_channel_dropout_gives_the_same_as_after_them(images: np.ndarray) -> None:
    inputs = torch.tensor(images[:20]).float()
    conv = nn.Conv2d(1, 8, 3)
    before = nn.Sequential(conv, nn.MaxPool2d(2), nn.ReLU(), nn.Dropout2d(0.5))
    after = nn.Sequential(conv, nn.ReLU(), nn.Dropout2d(0.5), nn.MaxPool2d(2))
    torch.manual_seed(1)
    first = before(inputs)
    torch.manual_seed(1)
    torch.testing.assert_close(first, after(inputs))


def test_every_module_of_the_folder_is_a_family_with_a_schema() -> None:
    assert factory.family_names() == ["cnn", "mlp", "ramped_cnn", "timm", "whitened_cnn"]
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
        ("whitened_cnn", {"channels": [9] * 5}, "5 blocks need images of at least 33 pixels a side, not 28x28"),
    ],
)
def test_layers_that_do_not_fit_are_refused_by_name(family: str, arguments: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        factory.build_network(family, arguments, image_shape=(1, 28, 28), num_classes=10)


@pytest.mark.parametrize(
    ("family", "arguments", "complaint"),
    [
        ("cnn", {"channels": [8, 8], "kernels": [3, 9], "hidden": []}, "convolution 2: kernel 9 .* not fit a 29x7 map"),
        ("ramped_cnn", {"channels": [8], "kernels": [17], "pools": [2], "hidden": [], "dropout": 0.1}, "a 60x16 map"),
        ("whitened_cnn", {"channels": [9] * 4}, "4 blocks need images of at least 17 pixels a side, not 60x16"),
    ],
)
def test_layers_that_do_not_fit_the_shorter_side_are_refused_with_height_and_width(
    family: str, arguments: dict, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        factory.build_network(family, arguments, image_shape=(3, 60, 16), num_classes=10)
