"""Networks of the library timm, with weights that were trained on other images, or from nothing.

Notable features:
- any classification network of timm by its name, without its head: the backbone
- normalisation of the pixels as the network's authors chose it, inside of the network; grey images are taken as colour
- a head of our own: linear, or the nearest neighbours among the training images
- pretrained weights from a file or from the hub of timm's authors; the names of the weights may be those of another
  implementation of the same network

Needs the packages timm and torchvision: the extra `timm`.
"""

import difflib
import hashlib
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fashion.errors import InputError
from fashion.files import require_file
from fashion.networks.building.layers import OutputLinear
from fashion.settings.fields import Count, Name, Rate, Sha256

HUB = "hub"
TEMPERATURE = 0.07  # of the votes of neighbours, as in Wu et al., arXiv 1805.01978
LEAST_VOTES = 1e-6  # of a class without neighbours: its logit must be finite


def build(
    *,
    network: Name,
    pretrained: Name | None = None,
    sha256: Sha256 | None = None,
    head: Literal["linear", "neighbours"] = "linear",
    dropout: Rate = 0.0,
    neighbours: Count = 10,
    memory: Count = 2000,
    image_shape: Sequence[int],
    num_classes: int,
) -> nn.Module:
    """Put a head on the backbone of a network; its input are images of levels 0 to 1.

    network: timm's name, such as resnet18. pretrained: a file of weights, safetensors or a state dict; `hub` to fetch
    them; null for random weights. sha256: the checksum of the file. head: `linear`, or `neighbours`: the votes of the
    `neighbours` most similar among `memory` training images, weighted by their similarity. dropout: before a linear
    head.
    """
    del pretrained, sha256  # read by `load_pretrained`, once: a trained model has weights of its own
    backbone = new_backbone(network, image_shape[1:])
    features: int = backbone.head_hidden_size
    if head == "linear":
        layers = nn.Sequential(nn.Dropout(dropout), OutputLinear(features, num_classes))
        return TimmNetwork(backbone, layers, image_shape[1:])
    return TimmNetwork(backbone, Neighbours(features, num_classes, neighbours, memory), image_shape[1:])


class TimmNetwork(nn.Module):
    """A backbone, which gives each image a vector of features, and a head, which gives these logits.

    Maps N x C x H x W, levels from 0 to 1, to N x classes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Any, head: nn.Module, size: Sequence[int]) -> None:
        super().__init__()
        self.backbone, self.head, self.size = backbone, head, size
        self.num_features = backbone.head_hidden_size
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(backbone.pretrained_cfg[name])[:, None, None])

    def features(self, images: Tensor) -> Tensor:
        """Compute the features of images: float32 of N x features."""
        return self.backbone((images - self.mean) / self.std).float()  # one channel becomes three here

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def load_pretrained(self, arguments: Mapping[str, Any]) -> None:
        """Load the weights of the backbone that the arguments of `build` name.

        Raises ValueError if the network takes no images of this size; InputError for a file that is missing, damaged,
        or of another network; and if the hub gives none.
        """
        source, network = arguments.get("pretrained"), arguments["network"]
        try:
            with torch.inference_mode():
                self.eval().features(torch.zeros(1, 3, *self.size, device=self.mean.device))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(refusal(network, self.size, error)) from None
        if source is None:
            return
        weights = None if source == HUB else read_weights(Path(source), arguments.get("sha256"), network)
        try:
            pretrained = new_backbone(network, self.size, weights=weights, pretrained=True)
        except Exception as error:  # of the hub's library, of requests, of timm
            if weights is None:
                fault, remedy = f"no weights of {network} could be fetched", "give arguments.pretrained a file, or null"
            else:
                fault, remedy = f"{source}: not weights of {network}", "correct arguments.network, or give another file"
            raise InputError(f"{fault} ({reason(error)}); {remedy}") from None
        self.backbone.load_state_dict(pretrained.state_dict())

    def describe_weights(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """Tell where the weights that training began with are from, by the arguments of `build`.

        The licence is that of the weights which timm's authors publish under the name of the network.
        """
        if arguments.get("pretrained") is None:
            return {}
        config = self.backbone.pretrained_cfg
        return {
            "network": arguments["network"],
            "from": arguments["pretrained"],
            "sha256": arguments.get("sha256") or "",
            "published_as": config.get("hf_hub_id") or config.get("url") or "",
            "licence": config.get("license") or "unknown",
        }

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Give the trainable weights by depth, from the input to the head."""
        from timm.models import group_parameters

        weights = dict(self.backbone.named_parameters())
        groups = group_parameters(self.backbone, self.backbone.group_matcher(coarse=False))
        return [[weights[name] for name in groups[depth]] for depth in sorted(groups)] + [[*self.head.parameters()]]


class Neighbours(nn.Module):
    """Logits by the most similar of some remembered images, in features: N x features to N x classes.

    features, labels: of the remembered images; a label of -1 is an empty place. Nothing is trained.
    """

    features: Tensor
    labels: Tensor

    def __init__(self, features: int, num_classes: int, neighbours: int, memory: int) -> None:
        super().__init__()
        self.num_classes, self.neighbours = num_classes, min(neighbours, memory)
        self.register_buffer("features", torch.zeros(memory, features))
        self.register_buffer("labels", torch.full((memory,), -1))

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Fill the memory; if there are more images than places, with some from each part of them."""
        step = max(len(labels) / len(self.labels), 1)
        chosen = (torch.arange(min(len(labels), len(self.labels)), device=labels.device) * step).long()
        self.features[: len(chosen)] = normalize(features[chosen].float())
        self.labels[: len(chosen)] = labels[chosen]

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            similarities = normalize(features.float()) @ self.features.T
            similarities = similarities.masked_fill(self.labels < 0, -1)
            nearest, indices = similarities.topk(self.neighbours)
            votes = torch.zeros(len(features), self.num_classes, device=features.device)
            votes = votes.scatter_add(1, self.labels[indices].clamp(min=0), ((nearest - 1) / TEMPERATURE).exp())
            return (votes + LEAST_VOTES).log()


def import_timm() -> types.ModuleType:
    """Import timm, which takes two seconds; InputError if it is not installed."""
    try:
        try:
            import torchvision  # noqa: F401 (timm imports it)
        except RuntimeError:
            # PyPI's torchvision beside a build of torch without CUDA: its compiled operators are missing, and this
            # module, which describes them to torch's compiler, fails. timm does not need them.
            name = "torchvision._meta_registrations"
            sys.modules[name] = types.ModuleType(name)
        import timm
    except ImportError as error:
        raise InputError(f"the family timm needs more packages ({error}); run pip install '.[timm]'") from None
    return timm


def new_backbone(
    network: str, size: Sequence[int], *, pretrained: bool = False, weights: Mapping[str, Tensor] | None = None
) -> Any:
    """Make a network of timm without its head, for images of this height and width, with random weights.

    pretrained: with those given, or with those of timm's hub. InputError for an unknown network, ValueError if it takes
    no images of this size.
    """
    timm = import_timm()
    if not timm.is_model(network):
        near = difflib.get_close_matches(network, timm.list_models(), 1)
        proposal = f"; do you mean {near[0]}?" if near else ""
        raise InputError(f"arguments.network: timm has no network {network!r}{proposal}")
    options: dict[str, Any] = {"pretrained": pretrained}
    if weights is not None:
        options["pretrained_cfg_overlay"] = {"state_dict": dict(weights), "custom_load": False}
    if timm.get_pretrained_cfg(network).fixed_input_size:  # transformers: a position for each part of the image
        options["img_size"] = tuple(size)
    try:
        return timm.create_model(network, num_classes=0, **options)
    except (AssertionError, TypeError) as error:
        raise ValueError(refusal(network, size, error)) from None


def read_weights(path: Path, sha256: str | None, network: str) -> dict[str, Tensor]:
    """Read the weights of a network from a file, without running code from it; InputError for other files."""
    import_timm()
    from timm.models import load_state_dict

    try:
        require_file(path)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file of weights there, or run `dvc pull`") from None
    if sha256 is None:
        raise InputError(f"params.yaml: give the checksum of {path} as arguments.sha256; it is {found}")
    if found != sha256:
        raise InputError(
            f"{path}: its checksum is {found}, and arguments.sha256 says {sha256}; fetch the file again, or correct "
            "the entry if it shall be another one"
        )
    try:
        weights = load_state_dict(str(path), weights_only=True)
        shapes = {key: value.shape for key, value in weights.items()}
    except Exception as error:  # torch.load and safetensors raise a dozen types
        raise InputError(f"{path}: not a file of weights, or damaged ({reason(error)}); give another one") from None
    with torch.device("meta"):
        expected = {key: value.shape for key, value in import_timm().create_model(network).state_dict().items()}
    return weights if shapes.keys() & expected.keys() else rename_by_order(weights, expected)


def rename_by_order(weights: dict[str, Tensor], expected: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Rename weights of another implementation of a network, if these are the same in number, shapes and order.

    expected: the shapes of the network's weights. The last parts of the names (weight, running_mean) must be equal,
    too. Other weights are returned as they are.
    """
    pairs = list(zip(weights.items(), expected.items(), strict=False))
    same = len(weights) == len(expected) and all(
        value.shape == shape and name.rpartition(".")[2] == key.rpartition(".")[2]
        for (name, value), (key, shape) in pairs
    )
    return {key: value for (_, value), (key, _) in pairs} if same else weights


def refusal(network: str, size: Sequence[int], error: Exception) -> str:
    return f"{network} takes no images of {size[0]}x{size[1]} pixels ({reason(error)})"


def reason(error: Exception) -> str:
    """Give the message of an error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
