"""The whole of `params.yaml`, checked before any stage runs, so that a fault costs nothing."""

import re
from typing import Annotated, Any

from pydantic import Field

from fashion.errors import InputError
from fashion.networks.building import families
from fashion.settings.augment import AugmentSettings
from fashion.settings.fields import FINAL, Classes, Strict
from fashion.settings.ingest import IngestSettings
from fashion.settings.parsing import parse, suggest
from fashion.settings.split import SplitSettings
from fashion.settings.system import FinalModel, TrainSettings, Variant

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,99}")  # becomes part of stage and file names


class Params(Strict):
    """All sections; each stage reads its own. classes: None takes them from the data."""

    classes: Classes | None
    ingest: IngestSettings
    split: SplitSettings
    augment: AugmentSettings
    train: TrainSettings
    finetune: TrainSettings
    model: FinalModel
    variants: Annotated[dict[str, Variant], Field(min_length=1)]


def check(content: dict[str, Any], *, source: str) -> Params:
    """Check the content of `params.yaml`; the first fault raises InputError with the key and the valid choices."""
    params = parse(Params, content, source=source)
    for name in params.variants:
        if not NAME.fullmatch(name) or name == FINAL:
            raise InputError(
                f"{source}: variants.{name}: not a usable name; take letters, digits and underscores, at most 100, "
                f"and not `{FINAL}`"
            )
    systems = {f"variants.{name}": variant for name, variant in params.variants.items()} | {"model": params.model}
    for where, system in systems.items():
        for phase in system.phases:
            if not NAME.fullmatch(phase):
                raise InputError(
                    f"{source}: {where}.phases.{phase}: not a usable name; "
                    "take letters, digits and underscores, at most 100"
                )
        if system.family not in families.names():
            unknown = f"unknown family {system.family!r}"
            raise InputError(f"{source}: {where}.family: {unknown}{suggest(system.family, families.names())}")
        if isinstance(system, FinalModel):
            check_sizes(system, source=source)
        else:
            parse(families.schema(system.family), system.arguments, source=source, where=f"{where}.arguments")
        if system.baseline is not None and system.baseline not in params.variants:
            unknown = f"unknown variant {system.baseline!r}"
            raise InputError(f"{source}: {where}.baseline: {unknown}{suggest(system.baseline, params.variants)}")
    return params


def check_sizes(model: FinalModel, *, source: str) -> None:
    """Check the arguments of the final model at each of its sizes."""
    if model.size not in model.sizes:
        raise InputError(f"{source}: model.size: unknown size {model.size!r}{suggest(model.size, model.sizes)}")
    for name, size in model.sizes.items():
        where = f"model.sizes.{name}.arguments" if size.arguments else "model.arguments"
        if "dropout" in {*model.arguments, *size.arguments}:
            raise InputError(f"{source}: {where}.dropout: set model.dropout instead")
        for phase in size.max_epochs:
            if phase not in model.phases:
                unknown = f"unknown phase {phase!r}"
                raise InputError(f"{source}: model.sizes.{name}.max_epochs: {unknown}{suggest(phase, model.phases)}")
        parse(families.schema(model.family), model.at_size(name).arguments, source=source, where=where)
