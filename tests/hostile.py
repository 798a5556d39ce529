"""Damaged and hostile inputs, and the check of what every reader must do with them; for tests/fuzz."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tqdm import tqdm

from fashion.errors import InputError

MAX_SECONDS = 2  # of CPU time
MEMORY_FACTOR, MEMORY_ALLOWANCE = 4, 64 << 20  # bytes of memory for each byte of the file, and in addition
INPUTS = int(os.environ.get("FUZZ", "100"))  # for each test

# Texts that have broken parsers and terminals. None is a number that a reader should accept.
NASTY_TEXT = [
    "\x1b[31m",
    "a\nb",
    "\0",
    "../../x",
    "$(touch x)",
    "; ls",
    "<script>",
    "=cmd()",
    "a" * 300,
    "9" * 5000,
    "",
]
NASTY_TEXT += [
    "nan",
    "-inf",
    "1e999",
    "0x10",
    "1_0",
    "٣",
    "\u2028",
    "\ufeff",
    "\ud800",
    "'",
    '"',
    "{",
    "[" * 2000,
    "&a [*a]",
]
NASTY_VALUES: list[Any] = [None, True, -1, 0, 2**31, 2**63, 10**400, 1e-320, float("nan"), float("inf"), [], {}, [[]]]
NASTY_BYTES = [b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0" * 8, b"\x80", b"\r\n", b"((((", b"-1", b"9" * 30]
NASTY_BYTES += [text.encode("utf-8", "surrogatepass") for text in NASTY_TEXT]


def read_or_refused(read: Callable[[], Any], size: int) -> Any:
    """Call `read`, which reads a file of `size` bytes; give its result, or None if it raises InputError.

    Asserts that it takes little memory and time, and that the error is one printable line.
    """
    before = reset_peak_memory()
    result, seconds = timed(read)
    if before is not None:
        assert peak_memory() - before < MEMORY_FACTOR * size + MEMORY_ALLOWANCE
    if seconds > MAX_SECONDS:  # the first use of a library may compile or load something
        _, seconds = timed(read)
        assert seconds <= MAX_SECONDS
    return result


def timed(read: Callable[[], Any]) -> tuple[Any, float]:
    """Call `read`; give its result, or None if it raises InputError, and the CPU time of this process in seconds."""
    start, result = time.process_time(), None
    try:
        result = read()
    except InputError as error:
        assert str(error).isprintable()
        assert len(str(error)) <= 1010
    return result, time.process_time() - start


def peak_memory() -> int:
    """Give the peak memory of this process in bytes, as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def reset_peak_memory() -> int | None:
    """Reset the peak to the memory in use, and give it; None on other systems than Linux."""
    if sys.platform != "linux":
        return None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_memory()


def counted(name: str) -> tqdm:
    """Make a progress bar for a long run."""
    return tqdm(desc=name, total=INPUTS, unit=" inputs", mininterval=1, disable="FUZZ" not in os.environ)


@st.composite
def damaged(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """Draw one of some valid files, with up to three parts replaced, removed or inserted."""
    content = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, 3))):
        # Headers are short, and damage there has the most effects.
        last = draw(st.sampled_from([64, len(content)]))
        start = draw(st.integers(0, min(last, len(content))))
        end = start + draw(st.sampled_from([0, 1, 2, 4, 8, len(content)]))
        content[start:end] = draw(st.binary(max_size=8) | st.sampled_from(NASTY_BYTES))
    return bytes(content)


@st.composite
def altered(draw: st.DrawFn, valid: dict[str, Any]) -> dict[str, Any]:
    """Draw a copy of nested settings in which one or two values or keys are hostile."""
    content = copy_nested(valid)
    for _ in range(draw(st.integers(1, 2))):
        container, keys = content, list(content)
        while True:
            key = draw(st.sampled_from(keys))
            inner = container[key]
            keys = (
                list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
            )
            if not keys or draw(st.integers(0, 3)) == 0:
                break
            container = inner
        numbers = st.integers() | st.floats(
            allow_subnormal=False
        )  # earlier trainings may have set the CPU to flush them to 0
        nasty = st.sampled_from(NASTY_VALUES) | st.sampled_from(NASTY_TEXT) | numbers | st.text()
        if isinstance(container, dict) and draw(st.booleans()):
            container[draw(st.sampled_from(NASTY_TEXT) | st.text())] = container.pop(key)
        else:
            container[key] = copy_nested(draw(nasty | st.lists(nasty, max_size=3)))
        if not content:
            break
    return content


def copy_nested(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copy_nested(inner) for key, inner in value.items()}
    return [copy_nested(inner) for inner in value] if isinstance(value, list) else value
