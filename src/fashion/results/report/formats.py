"""Format the numbers of the report: one notation for accuracies, differences, times and p-values."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML


def percent(share: float | None) -> str:
    """Format an accuracy, or another share, with two decimals; empty if it is unknown.

    >>> percent(0.9512)
    '95.12%'
    """
    return "" if share is None else f"{share:.2%}"


def points(difference: float | None) -> str:
    """Format the difference of two accuracies in percentage points, with its sign.

    >>> points(0.0317), points(-0.0005)
    ('+3.17', '−0.05')
    """
    return "" if difference is None else f"{100 * difference:+.2f}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """Format seconds as minutes and seconds.

    >>> duration(61.5)
    '1:01'
    """
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def megabytes(memory: int | None) -> str:
    return "" if memory is None else f"{memory / 1e6:,.0f}"


def p_value(test: Mapping[str, Any] | None) -> str:
    """Format the p-value of a significance test; empty if there is no test."""
    if test is None:
        return ""
    return "< 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}"


def p_equation(test: Mapping[str, Any]) -> str:
    """Format a p-value for a sentence.

    >>> p_equation({"p_value": 0.25}), p_equation({"p_value": 1e-9})
    ('p = 0.250', 'p < 0.001')
    """
    text = p_value(test)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def plural(count: int, noun: str) -> str:
    """Give a number and its noun.

    >>> plural(1, "image"), plural(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def data_uri(image: bytes) -> str:
    """Encode a PNG or SVG file as a data URI."""
    subtype = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{subtype};base64,{base64.b64encode(image).decode('ascii')}"


def script_json(value: Any) -> str:
    """Format a value as JSON for a <script> element; escape `<`, which could end the element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def to_yaml(value: Any) -> str:
    """Format settings as YAML."""
    text = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None  # short lists and mappings on one line
    yaml.width = 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(value, text)
    return text.getvalue()
