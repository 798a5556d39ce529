"""Read YAML, check it against a settings type, and explain the first error in one line."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fashion.errors import InputError
from fashion.files import require_file

Settings = TypeVar("Settings", bound=BaseModel)
RENAMED = {  # old names of settings
    "images": "image_folder",
    "views": "test_time_augmentation",
    "bias_rate": "bias_lr_multiplier",
    "average": "lookahead_every",
    "pruning": "sample_pruning",
    "easy": "easy_share",
    "drop": "drop_rate",
    "full": "unpruned_tail",
    "rotation": "max_rotation",
    "contrast": "min_contrast",
    "noise": "max_noise_std",
}
# Names of types that pydantic adds to the location of an error, of the types that settings use in unions.
PYDANTIC_TYPE = re.compile(r"constrained-(int|float)|literal\[.*\]")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with ruamel.yaml, the parser of DVC, which therefore reads the same numbers.

    PyYAML, which follows YAML 1.1, would read 1e-3 as text and accept duplicate keys.
    """
    try:
        require_file(path)
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputError(
            f"{path}: {line}not valid YAML: {' '.join(str(error.problem or error.context).split())}"
        ) from None
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{path}: lists and mappings are nested too deeply; remove some levels") from None
    except (ValueError, TypeError, LookupError) as error:  # from the conversion of a value, such as a date in month 13
        raise InputError(f"{path}: a value cannot be read: {error}; put it into quotes if it is text") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of settings at the top level")
    return content


def parse(schema: type[Settings], content: Any, *, source: str, key: str = "") -> Settings:
    """Convert `content` to the type `schema`; InputError names `source`, the key at fault and the valid choices.

    key: where `content` is in `source`.

    >>> parse(AugmentSettings, {"crop": -1}, source="params.yaml", key="augment")
    InputError: params.yaml: augment.crop: -1 is out of range: it must be greater than or equal to 0
    """
    try:
        return schema.model_validate(content)
    except ValidationError as exception:
        # Unknown keys first: a misspelled key is also missing under its right name.
        errors = sorted(exception.errors(), key=lambda error: error["type"] != "extra_forbidden")
        location = key_path(errors[0])
        full_key = ".".join(str(part) for part in (key, *location) if part != "")
        # A value of a union type has an error for each type.
        reasons = dict.fromkeys(explain(schema, error) for error in errors if key_path(error) == location)
        raise InputError(f"{source}: {full_key}: {'; and '.join(reasons)}") from None


def key_path(error: ErrorDetails) -> tuple[int | str, ...]:
    """Give the keys that lead to an error, without the names of types that pydantic adds for unions."""
    return tuple(part for part in error["loc"] if not (isinstance(part, str) and PYDANTIC_TYPE.fullmatch(part)))


def explain(schema: type[BaseModel], error: ErrorDetails) -> str:
    """Give the reason of an error and the valid choices."""
    value, context = error.get("input"), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            key, keys = str(error["loc"][-1]), valid_keys(schema, error["loc"][:-1])
            if RENAMED.get(key) in keys:
                return f"is now called {RENAMED[key]}"
            return "unknown key" + suggest(key, keys)
        case "missing":
            return "missing; it must be set"
        case "literal_error":
            return f"{short_repr(value)} is not one of the choices: {context['expected'].replace(chr(39), '')}"
        case "int_type" | "int_from_float":
            return f"{short_repr(value)} is not a whole number"
        case "float_type":
            return f"{short_repr(value)} is not a number"
        case "string_type":
            return f"{short_repr(value)} is not text"
        case "bool_type":
            return f"{short_repr(value)} is not true or false"
        case "list_type":
            return f"{short_repr(value)} is not a list, such as [32, 64]"
        case "dict_type" | "model_type" | "model_attributes_type":
            keys = valid_keys(schema, error["loc"])
            return f"{short_repr(value)} is not a mapping" + (f" of {', '.join(keys)}" if keys else "")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{short_repr(value)} is out of range: {error['msg'].replace('Input should be', 'it must be')}"
        case _:
            return f"{error['msg'].removeprefix('Value error, ')}" + (
                f" (got {short_repr(value)})" if not isinstance(value, dict) else ""
            )


def valid_keys(schema: Any, path: Sequence[int | str]) -> list[str]:
    """List the keys of a settings type at a path; none if there is no settings type at the path."""
    for part in path:
        if is_settings(schema):
            schema = schema.model_fields[part].annotation if part in schema.model_fields else None
        else:  # a list or a mapping: the type of its values is the last argument
            schema = get_args(schema)[-1] if get_args(schema) else None
        if NoneType in get_args(schema):  # the type of a setting that may be null
            schema = get_args(schema)[0]
    return list(schema.model_fields) if is_settings(schema) else []


def is_settings(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """Give the most similar valid name and all valid names, as the end of an error message.

    >>> suggest("mpl", ["cnn", "mlp"])
    ' (did you mean mlp?); choose from cnn, mlp'
    """
    valid = list(valid)
    similar = difflib.get_close_matches(wrong, valid, n=1)
    hint = f" (did you mean {similar[0]}?)" if similar else ""
    return f"{hint}; choose from {', '.join(valid)}" if valid else hint


def short_repr(value: Any) -> str:
    """Give the repr of a value in at most 40 characters."""
    try:
        text = repr(value)
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= 40 else text[:37] + "..."
