"""YAML that is small, flat and plain: what is not is refused before a parser builds anything of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from fashion.errors import InputError

MOST_BYTES = 10_000_000
MOST_VALUES = 100_000  # with what aliases repeat; a dvc.lock of 30 systems has 18,000
DEEPEST = 50  # the parser written in C ends the whole process at some thousands
LONGEST = 1000  # characters of a value without quotes, which may be a number


def check_bounds(text: str, path: Path) -> None:
    """Go through a text's values without building them; InputError at the first that is too much, with its line."""
    total = 0
    open_nodes: list[tuple[str | None, int]] = []  # their anchors, and how many values there were before each
    sizes: dict[str | None, int] = {}  # values of each anchor
    for event in events(text):
        line = f"{path}: line {event.start_mark.line + 1}"
        if isinstance(event, AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_nodes):
                raise InputError(f"{line}: *{event.anchor} stands within itself; write it out")
            total += sizes.get(event.anchor, 0)
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_nodes.pop()
            sizes[anchor] = total - before
        elif isinstance(event, (ScalarEvent, CollectionStartEvent)):
            total += 1
            check_node(event, line)
            if isinstance(event, ScalarEvent):
                sizes[event.anchor] = 1
            else:
                open_nodes.append((event.anchor, total - 1))
        if len(open_nodes) > DEEPEST:
            raise InputError(f"{line}: more than {DEEPEST} lists and mappings within each other; make it flatter")
        if total > MOST_VALUES:
            raise InputError(f"{line}: more than {MOST_VALUES:,} values, those of aliases counted; write fewer")


def events(text: str) -> Iterator[Any]:
    yield from YAML(typ="safe").parse(text)


def check_node(event: ScalarEvent | CollectionStartEvent, line: str) -> None:
    """Refuse what no setting needs: tags, which name types, and numbers of thousands of digits."""
    if event.tag is not None:
        raise InputError(f"{line}: a tag, {event.tag}; write the value without it")
    if isinstance(event, ScalarEvent) and not event.style and len(event.value) > LONGEST:
        raise InputError(f"{line}: a value of {len(event.value):,} characters; shorten it, or put text into quotes")
