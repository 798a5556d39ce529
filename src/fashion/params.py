"""Check all of `params.yaml` before a stage starts."""

import re
from typing import Annotated, Any

from pydantic import Field

from fashion.errors import InputError
from fashion.networks.building import factory
from fashion.settings.audit import AuditSettings
from fashion.settings.augment import AugmentSettings
from fashion.settings.embed import EmbedArguments, EmbedSettings
from fashion.settings.fields import FINAL, Classes, Strict
from fashion.settings.ingest import IngestSettings
from fashion.settings.model import EMBEDDED, FinalModel, System, TrainSettings, Variant
from fashion.settings.parsing import parse, suggest
from fashion.settings.split import SplitSettings

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,99}")  # of variants and phases; part of stage and file names


class Params(Strict):
    """All sections of params.yaml. classes: names of the classes, by label; None takes them from the data."""

    classes: Classes | None
    ingest: IngestSettings
    split: SplitSettings
    audit: AuditSettings = AuditSettings()
    augment: AugmentSettings
    embed: dict[str, EmbedSettings] = Field(default_factory=dict)
    train: TrainSettings
    finetune: TrainSettings
    model: FinalModel
    variants: Annotated[dict[str, Variant], Field(min_length=1)]


def check(content: dict[str, Any], *, source: str) -> Params:
    """Check the content of params.yaml; InputError names `source`, the key at fault and the valid choices."""
    params = parse(Params, content, source=source)
    for name in params.variants:
        if not NAME.fullmatch(name) or name == FINAL:
            raise InputError(
                f"{source}: variants.{name}: not a usable name; take letters, digits and underscores, at most 100, "
                f"and not `{FINAL}`"
            )
    for name in params.embed:
        if not NAME.fullmatch(name):
            raise InputError(
                f"{source}: embed.{name}: not a usable name; take letters, digits and underscores, at most 100"
            )
    systems = {f"variants.{name}": variant for name, variant in params.variants.items()} | {"model": params.model}
    for key, system in systems.items():
        for phase in system.phases:
            if not NAME.fullmatch(phase):
                raise InputError(
                    f"{source}: {key}.phases.{phase}: not a usable name; "
                    "take letters, digits and underscores, at most 100"
                )
        if system.family not in factory.family_names():
            unknown = f"unknown family {system.family!r}"
            raise InputError(f"{source}: {key}.family: {unknown}{suggest(system.family, factory.family_names())}")
        if isinstance(system, FinalModel):
            check_sizes(system, source=source)
        else:
            parse(factory.family_schema(system.family), system.arguments, source=source, key=f"{key}.arguments")
        check_features(params, key, system, source=source)
        if system.baseline is not None and system.baseline not in params.variants:
            unknown = f"unknown variant {system.baseline!r}"
            raise InputError(f"{source}: {key}.baseline: {unknown}{suggest(system.baseline, params.variants)}")
    if params.audit.size not in params.model.sizes:
        unknown = f"unknown size {params.audit.size!r}"
        raise InputError(f"{source}: audit.size: {unknown}{suggest(params.audit.size, params.model.sizes)}")
    return params


def check_features(params: Params, key: str, system: System, *, source: str) -> None:
    """Check what a pretrained network, a head of nearest neighbours and training on features need."""
    fault = None
    name = system.image_folder.removeprefix(EMBEDDED) if system.image_folder.startswith(EMBEDDED) else None
    remembers = system.arguments.get("head") == "neighbours"
    if system.family == "timm" and system.input.scaling != "unit":
        fault = "input.scaling: take unit; the networks of timm scale pixels themselves"
    elif remembers and system.phases:
        fault = "phases: nothing is trained with a head of nearest neighbours; give {}"
    elif not remembers and not system.phases:
        fault = "phases: give at least one"
    elif remembers and name is None:
        fault = f"image_folder: a head of nearest neighbours needs features; take {EMBEDDED}NAME"
    elif name is not None and name not in params.embed:
        fault = f"image_folder: embed has no entry {name!r}{suggest(name, params.embed)}"
    elif name is not None and isinstance(system, FinalModel):
        fault = "image_folder: the final model cannot be trained on features; take split"
    elif name is not None:
        embed = params.embed[name]
        own = {field: system.arguments.get(field) for field in EmbedArguments.model_fields}
        if (system.family, own, system.input) != ("timm", embed.arguments.model_dump(), embed.input):
            fault = f"image_folder: family, network, pretrained, sha256 and input must be those of embed.{name}"
        elif any(phase.augmentation for phase in system.phases.values()):
            fault = "phases: features cannot be augmented; leave out augmentation, or take split"
    if fault:
        raise InputError(f"{source}: {key}.{fault}")


def check_sizes(model: FinalModel, *, source: str) -> None:
    """Check the arguments of the final model at each of its sizes."""
    if model.size not in model.sizes:
        raise InputError(f"{source}: model.size: unknown size {model.size!r}{suggest(model.size, model.sizes)}")
    for name, size in model.sizes.items():
        key = f"model.sizes.{name}.arguments" if size.arguments else "model.arguments"
        if "dropout" in {*model.arguments, *size.arguments}:
            raise InputError(f"{source}: {key}.dropout: set model.dropout instead")
        for phase in size.max_epochs:
            if phase not in model.phases:
                unknown = f"unknown phase {phase!r}"
                raise InputError(f"{source}: model.sizes.{name}.max_epochs: {unknown}{suggest(phase, model.phases)}")
        parse(factory.family_schema(model.family), model.at_size(name).arguments, source=source, key=key)
