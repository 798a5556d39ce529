"""Save and load a system as one safetensors file: weights and description of each classifier, without pickle.

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
from fashion.classifier.ensemble import Ensemble
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.files import atomic_write, require_file
from fashion.networks.building import factory
from fashion.settings.fields import Classes, Name, PositiveFloat, Strict, TestTimeAugmentation
from fashion.settings.frame import Frame

REFIT = "refit"
MAX_MEMBERS = 50
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.int64: "I64"}  # names of the dtypes that our networks have


def check_precision(environment: dict[str, str]) -> dict[str, str]:
    if environment.get("precision") not in ("bf16", "fp32"):
        raise ValueError("the precision of the training must be bf16 or fp32")
    return environment


class Fitted(Strict):
    """What is fitted to the images of one classifier; see `Classifier` for its fields."""

    preparation: Preparation
    temperature: PositiveFloat
    threshold: Annotated[float, Field(allow_inf_nan=False)]


class Description(Strict):
    """The description of the weights in a model file; see `Classifier` and `Ensemble` for its fields.

    The names of the weights of member k begin with `k.`, those of a refit with `refit.`.
    """

    family: str
    arguments: dict[str, Any]
    frame: Frame
    classes: Classes
    environment: Annotated[dict[Name, Name], AfterValidator(check_precision)]
    test_time_augmentation: TestTimeAugmentation
    members: Annotated[list[Fitted], Field(min_length=1, max_length=MAX_MEMBERS)]
    refit: Fitted | None = None

    @model_validator(mode="after")
    def check_frame(self) -> Self:
        for part in self.parts().values():
            preparation = part.preparation
            height, width = preparation.content_size or preparation.size
            if height > self.frame.height or width > self.frame.width:
                raise ValueError("preparation needs more pixels than the frame has")
            if len(preparation.mean) != self.frame.channels:
                raise ValueError("preparation and frame differ in their channels")
        return self

    def parts(self) -> dict[str, Fitted]:
        """Give what is fitted for each classifier, by the prefix of its weights."""
        parts = {str(number): part for number, part in enumerate(self.members)}
        return parts | ({REFIT: self.refit} if self.refit else {})


SHARED = [key for key in Description.model_fields if key not in ("members", REFIT)]  # by all classifiers of a file


def save(ensemble: Ensemble, path: Path) -> None:
    """Save weights and description in one file."""
    description = Description.model_validate(
        {key: getattr(ensemble.members[0], key) for key in SHARED}
        | {"members": [fitted(member) for member in ensemble.members]}
        | {"refit": ensemble.refit and fitted(ensemble.refit)}
    )
    content = description.model_dump(exclude_none=True)
    networks = nn.ModuleDict({str(number): member.model for number, member in enumerate(ensemble.members)})
    if ensemble.refit:
        networks[REFIT] = ensemble.refit.model
    weights = {key: value.cpu().contiguous() for key, value in networks.state_dict().items()}
    entry = {"checksum": checksum(weights, json.dumps(content)), **content}
    with atomic_write(path) as temporary:
        # A single entry: safetensors writes several in random order, but equal models must give equal bytes.
        temporary.write_bytes(to_bytes(weights, {"fashion": json.dumps(entry)}))


def fitted(classifier: Classifier) -> dict[str, Any]:
    return {key: getattr(classifier, key) for key in Fitted.model_fields}


def load(path: Path) -> Ensemble:
    """Load a system; InputError if the file is not a model of this project, or is damaged.

    The description is not trusted: its networks are built only if the file has weights of exactly the same shapes.

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
    networks = build_networks(description)
    networks.load_state_dict(weights)
    move_model(networks, torch.device("cpu"))
    shared = {key: getattr(description, key) for key in SHARED}
    classifiers = {
        prefix: Classifier(model=networks[prefix], **shared, **dict(part))
        for prefix, part in description.parts().items()
    }
    refit = classifiers.pop(REFIT, None)
    return Ensemble(list(classifiers.values()), refit)


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


def build_networks(description: Description) -> nn.ModuleDict:
    """Build the networks of a description, with random weights, by the prefixes of their weights."""
    return nn.ModuleDict(
        {
            prefix: factory.build_network(
                description.family,
                description.arguments,
                image_shape=(description.frame.channels, *part.preparation.size),
                num_classes=len(description.classes),
            )
            for prefix, part in description.parts().items()
        }
    )


def check_weights(description: Description, file: Any) -> None:
    """Check that an open safetensors file has the weights of the networks, by name, shape and dtype."""
    try:
        with torch.device("meta"):  # allocates no memory
            expected = build_networks(description).state_dict()
    except (ValueError, RuntimeError, TypeError) as error:  # layers that do not fit, or sizes beyond 64 bits
        raise DescriptionError(f"a network cannot be built: {error}") from None
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
