"""YAML becomes typed objects once, at the edge; what is wrong with it is said in one line."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fashion.errors import InputError
from fashion.files import require_file
from fashion.settings.bounds import MOST_BYTES, check_bounds

Settings = TypeVar("Settings", bound=BaseModel)
TYPE = re.compile(r"constrained-(int|float)|literal\[.*\]")  # how pydantic names those that are used here


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the parser that DVC uses, so that both see the same numbers.

    (PyYAML, by YAML 1.1, would read 1e-3 as text, and let a key stand twice.)
    """
    try:
        require_file(path)
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: more than {MOST_BYTES:,} bytes; write fewer settings")
        text = path.read_text(encoding="utf-8")
        check_bounds(text, path)
        content = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; put a file there") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as such") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputError(
            f"{path}: {line}not valid YAML: {' '.join(str(error.problem or error.context).split())}"
        ) from None
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:  # of the types that values are made into, such as a date of a thirteenth month
        raise InputError(f"{path}: a value cannot be read: {error}; put it into quotes if it is text") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of settings at the top level")
    return content


def parse(kind: type[Settings], content: Any, *, source: str, where: str = "") -> Settings:
    """Check `content` against `kind`; the first fault raises InputError naming `source`, the key and the choices."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")  # a typo explains a gap
        place = place_of(faults[0])
        key = ".".join(str(part) for part in (where, *place) if part != "")
        # A value that may be of two types has a fault as either.
        reasons = dict.fromkeys(explain(kind, fault) for fault in faults if place_of(fault) == place)
        raise InputError(f"{source}: {key}: {'; and '.join(reasons)}") from None


def place_of(fault: ErrorDetails) -> tuple[int | str, ...]:
    """Give the keys that lead to a fault, without the type that pydantic adds where several are possible."""
    return tuple(part for part in fault["loc"] if not (isinstance(part, str) and TYPE.fullmatch(part)))


def explain(kind: type[BaseModel], fault: ErrorDetails) -> str:
    """Say what is wrong and what would be right."""
    value, context = fault.get("input"), fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            return "unknown key" + suggest(str(fault["loc"][-1]), keys_at(kind, fault["loc"][:-1]))
        case "missing":
            return "missing; it must be set"
        case "literal_error":
            return f"{shown(value)} is not one of the choices: {context['expected'].replace(chr(39), '')}"
        case "int_type" | "int_from_float":
            return f"{shown(value)} is not a whole number"
        case "float_type":
            return f"{shown(value)} is not a number"
        case "string_type":
            return f"{shown(value)} is not text"
        case "bool_type":
            return f"{shown(value)} is not true or false"
        case "list_type":
            return f"{shown(value)} is not a list, such as [32, 64]"
        case "dict_type" | "model_type" | "model_attributes_type":
            keys = keys_at(kind, fault["loc"])
            return f"{shown(value)} is not a mapping" + (f" of {', '.join(keys)}" if keys else "")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{shown(value)} is out of range: {fault['msg'].replace('Input should be', 'it must be')}"
        case _:
            return f"{fault['msg'].removeprefix('Value error, ')}" + (
                f" (got {shown(value)})" if not isinstance(value, dict) else ""
            )


def keys_at(kind: Any, path: Sequence[int | str]) -> list[str]:
    """List the keys that a settings type knows at a path; none where the path leads to no settings type."""
    for part in path:
        if is_settings(kind):
            kind = kind.model_fields[part].annotation if part in kind.model_fields else None
        else:  # a list or a mapping: the type of its values stands last
            kind = get_args(kind)[-1] if get_args(kind) else None
    return list(kind.model_fields) if is_settings(kind) else []


def is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """Give the nearest valid name and all of them, as the end of a sentence."""
    valid = list(valid)
    nearest = difflib.get_close_matches(wrong, valid, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    return f"{hint}; choose from {', '.join(valid)}" if valid else hint


def shown(value: Any) -> str:
    """Show a value from a file in at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
