"""Trained models as safetensors files that describe themselves: no pickle, and no params.yaml to predict."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.files import replacing
from fashion.networks.building import families


def save(classifier: Classifier, path: Path) -> None:
    """Write weights and description into one file."""
    description = {
        "family": classifier.family,
        "arguments": classifier.arguments,
        "preparation": classifier.preparation.model_dump(exclude_none=True),
        "classes": classifier.classes,
        "environment": classifier.environment,
    }
    if classifier.views != "one":
        description["views"] = classifier.views
    weights = {key: value.cpu().contiguous() for key, value in classifier.model.state_dict().items()}
    with replacing(path) as temporary:
        # One entry: safetensors writes several in no fixed order, and the same model must be the same bytes.
        save_file(weights, temporary, metadata={"fashion": json.dumps(description)})


def load(path: Path) -> Classifier:
    """Read a model back; InputError when the file is not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["fashion"])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise InputError(f"{path}: no such model; `dvc repro` trains it") from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a model of this project ({error}); delete it and run `dvc repro`") from None
    preparation = Preparation.model_validate(description["preparation"])
    model = families.build(
        description["family"],
        description["arguments"],
        image_size=preparation.size,
        num_classes=len(description["classes"]),
    )
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        family = description["family"]
        raise InputError(
            f"{path}: made by another version of the family {family}; `dvc repro` trains it again"
        ) from None
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(
        model=model,
        family=description["family"],
        arguments=description["arguments"],
        preparation=preparation,
        classes=description["classes"],
        environment=description["environment"],
        views=description.get("views", "one"),
    )
