"""Save and load a classifier as one safetensors file: weights and description, without pickle.

No other file is needed to predict, params.yaml included.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import AfterValidator, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from fashion.classifier.checksum import checksum
from fashion.classifier.classifier import Classifier
from fashion.classifier.device import move_model
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.files import atomic_write, require_file
from fashion.networks.building import factory
from fashion.settings.fields import Classes, Name, PositiveFloat, Strict, TestTimeAugmentation
from fashion.settings.frame import Frame

SAFETENSORS_DTYPES = {torch.float32: "F32", torch.int64: "I64"}  # names of the dtypes that our networks have


def check_precision(environment: dict[str, str]) -> dict[str, str]:
    if environment.get("precision") not in ("bf16", "fp32"):
        raise ValueError("the precision of the training must be bf16 or fp32")
    return environment


class Description(Strict):
    """The description of the weights in a model file; see `Classifier` for its fields."""

    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    frame: Frame
    classes: Classes
    environment: Annotated[dict[Name, Name], AfterValidator(check_precision)]
    test_time_augmentation: TestTimeAugmentation
    temperature: PositiveFloat
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def check_frame(self) -> Self:
        height, width = self.preparation.content_size or self.preparation.size
        if height > self.frame.height or width > self.frame.width:
            raise ValueError("preparation needs more pixels than the frame has")
        if len(self.preparation.mean) != self.frame.channels:
            raise ValueError("preparation and frame differ in their channels")
        return self


def save(classifier: Classifier, path: Path) -> None:
    """Save weights and description in one file."""
    description = Description.model_validate({key: getattr(classifier, key) for key in Description.model_fields})
    content = description.model_dump(exclude_none=True)
    weights = {key: value.cpu().contiguous() for key, value in classifier.model.state_dict().items()}
    entry = {"checksum": checksum(weights, json.dumps(content)), **content}
    with atomic_write(path) as temporary:
        # A single entry: safetensors writes several in random order, but equal models must give equal bytes.
        temporary.write_bytes(to_bytes(weights, {"fashion": json.dumps(entry)}))


def load(path: Path) -> Classifier:
    """Load a classifier; InputError if the file is not a model of this project, or is damaged.

    The description is not trusted: its network is built only if the file has weights of exactly the same shapes.

    >>> load(Path("models/final.safetensors")).classes
    """
    try:
        require_file(path)
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})["fashion"])
            if not isinstance(content, dict):
                raise DescriptionError("description: not a JSON object")
            stored_checksum = content.pop("checksum", None)
            description = parse_description(content)
            check_weights(description, file)
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        if checksum(weights, json.dumps(content)) != stored_checksum:
            raise DescriptionError("the checksum is wrong")
    except FileNotFoundError:
        raise InputError(f"{path}: no such model; `dvc repro` trains it") from None
    except DescriptionError as error:
        raise InputError(
            f"{path}: damaged, or made by another version of this project ({short_reason(error)}); "
            "`make repro` makes it again"
        ) from None
    except (SafetensorError, KeyError, ValueError, OSError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{path}: not a model of this project ({short_reason(error)}); give another file, or train a model with "
            "`dvc repro`"
        ) from None
    model = build_model(description)
    model.load_state_dict(weights)
    move_model(model, torch.device("cpu"))
    return Classifier(model=model, **{key: getattr(description, key) for key in Description.model_fields})


class DescriptionError(Exception):
    """Raised if a description or its weights are not as this version writes them."""


def parse_description(content: dict[str, Any]) -> Description:
    """Parse and check the description in a model file."""
    try:
        description = Description.model_validate(content)
        if description.family not in factory.family_names():
            raise DescriptionError("description.family: unknown family")
        factory.family_schema(description.family).model_validate(description.arguments)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["description", *map(str, first["loc"])])
        raise DescriptionError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from None
    return description


def build_model(description: Description) -> nn.Module:
    """Build the network of a description, with random weights."""
    return factory.build_network(
        description.family,
        description.arguments,
        image_shape=(description.frame.channels, *description.preparation.size),
        num_classes=len(description.classes),
    )


def check_weights(description: Description, file: Any) -> None:
    """Check that an open safetensors file has the weights of the network, by name, shape and dtype."""
    try:
        with torch.device("meta"):  # allocates no memory
            expected = build_model(description).state_dict()
    except (ValueError, RuntimeError, TypeError) as error:  # layers that do not fit, or sizes beyond 64 bits
        raise DescriptionError(f"the network cannot be built: {error}") from None
    if set(file.keys()) != set(expected):
        raise DescriptionError("the names of the weights do not fit the description")
    for key, weights in expected.items():
        stored = file.get_slice(key)
        if (tuple(stored.get_shape()), stored.get_dtype()) != (tuple(weights.shape), SAFETENSORS_DTYPES[weights.dtype]):
            raise DescriptionError(f"{key}: its shape or dtype does not fit the description")


def short_reason(error: Exception) -> str:
    """Give the message of an error in one line of at most 200 characters."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(reason.split())[:200]
