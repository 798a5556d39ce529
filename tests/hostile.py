"""What must hold of any input, and inputs of which it might not: tests/fuzz feeds them to the readers."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tqdm import tqdm

from fashion.errors import InputError

SECONDS = 2  # of computing
TIMES, SPARE = 4, 64 << 20  # bytes of memory for each of the file, and beside them
INPUTS = int(os.environ.get("FUZZ", "100"))  # of each kind

# What parsers and terminals have stumbled over. No text here is a number that a reader ought to take.
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
    """Give what `read` reads from so many bytes, or None where it refuses them as it should."""
    before = forget_peak()
    result, seconds = timed(read)
    if before is not None:
        assert peak() - before < TIMES * size + SPARE
    if seconds > SECONDS:  # the first use of a library may compile or load something
        _, seconds = timed(read)
        assert seconds <= SECONDS
    return result


def timed(read: Callable[[], Any]) -> tuple[Any, float]:
    """Read, or be refused in one line of at most so many characters; tell how long this process computed."""
    start, result = time.process_time(), None
    try:
        result = read()
    except InputError as error:
        assert str(error).isprintable()
        assert len(str(error)) <= 1010
    return result, time.process_time() - start


def peak() -> int:
    """Give the most bytes that this process has had in memory, as Linux counts them."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def forget_peak() -> int | None:
    """Begin to count anew; None where that cannot be done."""
    if sys.platform != "linux":
        return None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def counted(name: str) -> tqdm:
    """Give a bar that shows how far a long run has come."""
    return tqdm(desc=name, total=INPUTS, unit=" inputs", mininterval=1, disable="FUZZ" not in os.environ)


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """Give a file with up to three places overwritten, cut out or stuffed; now and then whole."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(0, 3))):
        # Headers are short, and where the damage is done.
        most = draw(st.sampled_from([64, len(content)]))
        start = draw(st.integers(0, min(most, len(content))))
        end = start + draw(st.sampled_from([0, 1, 2, 4, 8, len(content)]))
        content[start:end] = draw(st.binary(max_size=8) | st.sampled_from(NASTY_BYTES))
    return bytes(content)


@st.composite
def altered(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """Give a copy of nested settings in which one or two values or keys are hostile."""
    content = copied(whole)
    for _ in range(draw(st.integers(1, 2))):
        place, values = content, list(content)
        while True:
            key = draw(st.sampled_from(values))
            inner = place[key]
            values = (
                list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
            )
            if not values or draw(st.integers(0, 3)) == 0:
                break
            place = inner
        numbers = st.integers() | st.floats(allow_subnormal=False)  # which a training before may have set to be 0
        nasty = st.sampled_from(NASTY_VALUES) | st.sampled_from(NASTY_TEXT) | numbers | st.text()
        if isinstance(place, dict) and draw(st.booleans()):
            place[draw(st.sampled_from(NASTY_TEXT) | st.text())] = place.pop(key)
        else:
            place[key] = copied(draw(nasty | st.lists(nasty, max_size=3)))
        if not content:
            break
    return content


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value
