"""Build a network of a model family by the family's name, and read the settings that a family takes.

A family is a module in `networks/families/` with a function `build`, which makes the network. The keyword-only
arguments of `build` are the schema of the family's settings. Every `build` also takes `image_shape`, the
channels, height and width of the images, and `num_classes`. The network maps float images of N x C x H x W to logits of
N x num_classes.
`build` raises ValueError if the layers do not fit the image. A network may implement `InitFromData` or `Pretrained`,
and its head `Remembers`.
"""

import ast
import functools
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import create_model

from fashion.settings import fields
from fashion.settings.fields import Strict

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "families"
ANNOTATIONS = {**vars(fields), "Literal": Literal}  # the names that a signature may use
DATA_ARGUMENTS = ("image_shape", "num_classes")  # arguments that follow from the data, not from params.yaml


@runtime_checkable
class InitFromData(Protocol):
    """A network with weights that are initialised from training images."""

    def init_from_data(self, images: "Tensor") -> None:
        """Initialise the weights from images of N x C x H x W, prepared for the network."""


@runtime_checkable
class Pretrained(Protocol):
    """A network with weights that may have been trained before, on other images."""

    def load_pretrained(self, arguments: Mapping[str, Any]) -> None:
        """Load the weights that the arguments of `build` name; InputError if they cannot be read."""

    def describe_weights(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """Tell where these weights are from; empty if they are random."""

    def features(self, images: "Tensor") -> "Tensor":
        """Compute the features that its head takes, N x features."""


@runtime_checkable
class Remembers(Protocol):
    """A head that compares images with training images."""

    def remember(self, features: "Tensor", labels: "Tensor") -> None:
        """Take training images: features, N x features, and labels, int64 of N."""


@runtime_checkable
class Layered(Protocol):
    """A network that knows its layers, as its modules are not in a row."""

    head: "nn.Module"

    def layer_groups(self) -> "list[list[nn.Parameter]]":
        """Give the weights of each layer, from the input to the head."""


def family_names() -> list[str]:
    """List all families."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@functools.cache
def family_schema(family: str) -> type[Strict]:
    """Make a settings type from the signature of a family's `build`.

    The signature is parsed from the source: importing the family would import torch, 1.2 s for every stage.

    >>> list(family_schema("mlp").model_fields)
    ['hidden', 'batch_norm', 'dropout']
    """
    tree = ast.parse((FOLDER / f"{family}.py").read_text(encoding="utf-8"))
    build = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build")
    arguments: dict[str, Any] = {}
    for argument, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True):
        if argument.arg not in DATA_ARGUMENTS:
            assert argument.annotation is not None, f"{family}.build: {argument.arg} has no type"
            annotation = eval(ast.unparse(argument.annotation), ANNOTATIONS)  # our own source, not input
            arguments[argument.arg] = (annotation, ... if default is None else ast.literal_eval(default))
    return create_model(family, __base__=Strict, **arguments)


def build_network(
    family: str, arguments: dict[str, Any], *, image_shape: Sequence[int], num_classes: int
) -> "nn.Module":
    """Build a network of a family; ValueError if its layers do not fit the image.

    image_shape: channels, height and width.

    >>> build_network("mlp", {"hidden": [256, 128]}, image_shape=(1, 28, 28), num_classes=10)
    """
    module = importlib.import_module(f"fashion.networks.families.{family}")
    return module.build(**arguments, image_shape=image_shape, num_classes=num_classes)


def layer_groups(model: "nn.Module") -> "list[list[nn.Parameter]]":
    """Give the weights of each layer, from the input to the head.

    >>> [len(weights) for weights in layer_groups(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))]
    [2, 2]
    """
    if isinstance(model, Layered):
        return model.layer_groups()
    return [weights for layer in model.children() if (weights := [*layer.parameters()])]


def head_of(model: "nn.Module") -> "nn.Module":
    """Give the last layer with weights."""
    return model.head if isinstance(model, Layered) else [*filter(has_weights, model.children())][-1]


def has_weights(layer: "nn.Module") -> bool:
    return any(True for _ in layer.parameters())
