"""Model families: a module each, whose keyword-only `build` makes the network and whose signature is the schema.

Besides its own arguments, every `build` takes `image_size` (pixels a side) and `num_classes`, maps float images
of shape N x 1 x image_size x image_size to logits of shape N x num_classes, and raises ValueError when the layers do
not fit the image. A network may be one that `LooksAtImages` of the training set before it learns.
"""

import ast
import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import create_model

from fashion.settings import fields
from fashion.settings.fields import Strict

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "families"
ANNOTATIONS = {**vars(fields), "Literal": Literal}  # the names that a signature may use
GIVEN = ("image_size", "num_classes")  # follow from the data; never written in params.yaml


@runtime_checkable
class LooksAtImages(Protocol):
    """A network that starts from what images are like."""

    def look_at(self, images: "Tensor") -> None:
        """Set what depends on images, N x 1 x image_size x image_size as the network gets them."""


def names() -> list[str]:
    """List the families there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@functools.cache
def schema(family: str) -> type[Strict]:
    """Turn the signature of a family's `build` into a settings type.

    The signature is read from the source: importing the family would import torch, 1.2 s for every stage.
    """
    tree = ast.parse((FOLDER / f"{family}.py").read_text(encoding="utf-8"))
    build = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build")
    arguments: dict[str, Any] = {}
    for argument, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True):
        if argument.arg not in GIVEN:
            assert argument.annotation is not None, f"{family}.build: {argument.arg} has no type"
            kind = eval(ast.unparse(argument.annotation), ANNOTATIONS)  # our own source, not input
            arguments[argument.arg] = (kind, ... if default is None else ast.literal_eval(default))
    return create_model(family, __base__=Strict, **arguments)


def build(family: str, arguments: dict[str, Any], *, image_size: int, num_classes: int) -> "nn.Module":
    """Build a network of the family; ValueError when its layers do not fit the image."""
    module = importlib.import_module(f"fashion.networks.families.{family}")
    return module.build(**arguments, image_size=image_size, num_classes=num_classes)
