"""Trained models as safetensors files that describe themselves: no pickle, and no params.yaml to predict."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Frame, Preparation
from fashion.errors import InputError
from fashion.files import replacing
from fashion.networks.building import families
from fashion.settings.fields import Classes, Positive, Strict, Views


class Description(Strict):
    """What a file says of its weights: see `Classifier`."""

    family: str
    arguments: dict[str, Any]
    preparation: Preparation
    frame: Frame
    classes: Classes
    environment: dict[str, str]
    views: Views
    temperature: Positive
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None


def save(classifier: Classifier, path: Path) -> None:
    """Write weights and description into one file."""
    description = Description.model_validate({key: getattr(classifier, key) for key in Description.model_fields})
    weights = {key: value.cpu().contiguous() for key, value in classifier.model.state_dict().items()}
    with replacing(path) as temporary:
        # One entry: safetensors writes several in no fixed order, and the same model must be the same bytes.
        save_file(weights, temporary, metadata={"fashion": json.dumps(description.model_dump(exclude_none=True))})


def load(path: Path) -> Classifier:
    """Read a model back; InputError when the file is not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})["fashion"])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise InputError(f"{path}: no such model; `dvc repro` trains it") from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{path}: not a model of this project ({error}); name another, or train it with `dvc repro`"
        ) from None
    try:
        description = Description.model_validate(content)
        if description.family not in families.names():
            raise ValueError(description.family)
        families.schema(description.family).model_validate(description.arguments)
        model = families.build(
            description.family,
            description.arguments,
            image_size=description.preparation.size,
            num_classes=len(description.classes),
        )
        model.load_state_dict(weights)
    except (ValidationError, ValueError, RuntimeError):
        raise InputError(f"{path}: made by another version of this project; `dvc repro` trains it again") from None
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(model=model, **{key: getattr(description, key) for key in Description.model_fields})
