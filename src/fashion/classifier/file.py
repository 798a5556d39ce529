"""Trained models as safetensors files that describe themselves: no pickle, and no params.yaml to predict."""

import json
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import AfterValidator, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from fashion.classifier.checksum import checksum
from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Frame, Preparation
from fashion.errors import InputError
from fashion.files import replacing, require_file
from fashion.networks.building import families
from fashion.settings.fields import Classes, Name, Positive, Strict, Views

DTYPES = {torch.float32: "F32", torch.int64: "I64"}  # what safetensors calls those of our networks


def check_precision(environment: dict[str, str]) -> dict[str, str]:
    if environment.get("precision") not in ("bf16", "fp32"):
        raise ValueError("the precision of the training must be bf16 or fp32")
    return environment


class Description(Strict):
    """What a file says of its weights: see `Classifier`."""

    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    frame: Frame
    classes: Classes
    environment: Annotated[dict[Name, Name], AfterValidator(check_precision)]
    views: Views
    temperature: Positive
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def sees_its_frame(self) -> Self:
        if (self.preparation.content or self.preparation.size) > self.frame.side:
            raise ValueError("preparation wants more pixels than the frame has")
        return self


def save(classifier: Classifier, path: Path) -> None:
    """Write weights and description into one file."""
    description = Description.model_validate({key: getattr(classifier, key) for key in Description.model_fields})
    content = description.model_dump(exclude_none=True)
    weights = {key: value.cpu().contiguous() for key, value in classifier.model.state_dict().items()}
    entry = {"checksum": checksum(weights, json.dumps(content)), **content}
    with replacing(path) as temporary:
        # One entry: safetensors writes several in no fixed order, and the same model must be the same bytes.
        save_file(weights, temporary, metadata={"fashion": json.dumps(entry)})


def load(path: Path) -> Classifier:
    """Read a model back; InputError when the file is not one of ours, or not as it was written.

    A description may claim anything: its network is built only if the file has weights of just its shapes.
    """
    try:
        require_file(path)
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})["fashion"])
            if not isinstance(content, dict):
                raise DescriptionError("no description")
            claimed = content.pop("checksum", None)
            description = described(content)
            check_weights(description, file)
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        if checksum(weights, json.dumps(content)) != claimed:
            raise DescriptionError("its checksum does not fit")
    except FileNotFoundError:
        raise InputError(f"{path}: no such model; `dvc repro` trains it") from None
    except DescriptionError as error:
        raise InputError(
            f"{path}: damaged, or made by another version of this project ({brief(error)}); `make repro` makes it anew"
        ) from None
    except (SafetensorError, KeyError, ValueError, OSError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{path}: not a model of this project ({brief(error)}); name another, or train it with `dvc repro`"
        ) from None
    model = network(description)
    model.load_state_dict(weights)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(model=model, **{key: getattr(description, key) for key in Description.model_fields})


class DescriptionError(Exception):
    """A description, or weights, that are not what this version writes."""


def described(content: Any) -> Description:
    """Check what a file says of its weights."""
    try:
        description = Description.model_validate(content)
        if description.family not in families.names():
            raise DescriptionError("an unknown family")
        families.schema(description.family).model_validate(description.arguments)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(["description", *map(str, fault["loc"])])
        raise DescriptionError(f"{place}: {fault['msg'].removeprefix('Value error, ')}") from None
    return description


def network(description: Description) -> nn.Module:
    """Build the network, of no weights in particular."""
    return families.build(
        description.family,
        description.arguments,
        image_size=description.preparation.size,
        num_classes=len(description.classes),
    )


def check_weights(description: Description, file: Any) -> None:
    """Require that an open file has the weights of the network, in shape and type."""
    try:
        with torch.device("meta"):  # takes no memory
            planned = network(description).state_dict()
    except (ValueError, RuntimeError, TypeError) as error:  # layers that do not fit, or beyond 64 bits
        raise DescriptionError(f"no such network: {error}") from None
    if set(file.keys()) != set(planned):
        raise DescriptionError("its weights are those of another network than it describes")
    for key, weights in planned.items():
        found = file.get_slice(key)
        if (tuple(found.get_shape()), found.get_dtype()) != (tuple(weights.shape), DTYPES[weights.dtype]):
            raise DescriptionError(f"{key}: other weights than its description asks for")


def brief(error: Exception) -> str:
    """Say in a few words what is wrong."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(reason.split())[:200]
