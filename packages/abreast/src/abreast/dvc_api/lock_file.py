"""Read dvc.lock, and change one entry in its text."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.utils.serialize import dumps_yaml, loads_yaml, parse_yaml_for_update

from abreast.errors import AbreastError

HEADER = "schema: '2.0'\nstages:\n"
ENTRIES = re.compile(r"(?:  \S.*\n(?:    .*\n|\n)*)*")  # all that follows the header
ENTRY_START = re.compile(r"^  (?=\S)", re.MULTILINE)
HAND_EDITED = re.compile(r"^ *#|^    \S+:\n      +- ", re.MULTILINE)  # comments, lists that are indented further


def lock_entries(path: Path) -> dict[str, Any]:
    """Read all entries of a lock file, {stage name: entry}."""
    return parse_entries(read_text(path), path)


def lock_entry(path: Path, name: str) -> Any:
    """Read the entry of one stage, or return None."""
    text = read_text(path)
    entry_texts = split_entries(text)
    if entry_texts is not None:
        text = HEADER + entry_texts[name] if name in entry_texts else ""
    return parse_entries(text, path).get(name)


def parse_entries(text: str, path: Path) -> dict[str, Any]:
    try:
        return (loads_yaml(text) or {}).get("stages") or {}
    except Exception as error:  # the parser raises errors of many classes
        raise AbreastError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None


def new_lock_entries(dvc_stages: Iterable[Any]) -> dict[str, list[str]]:
    """List the stages that are not yet in their lock file, in the given order, by path of the lock file."""
    new: dict[str, list[str]] = defaultdict(list)
    entries: dict[Path, dict[str, Any]] = {}
    for stage in dvc_stages:
        if isinstance(stage, PipelineStage):
            path = Path(stage.path).with_suffix(".lock")
            if path not in entries:
                entries[path] = lock_entries(path)
            if stage.name not in entries[path]:
                new[os.path.realpath(path)].append(stage.name)
    return dict(new)


def set_entry(text: str, name: str, entry: Any, order: Sequence[str]) -> str:
    """Set one entry in the text of a lock file, and bring new entries into `order`; the bytes are those of DVC.

    DVC parses and dumps the whole file: 0.9 s for 264 entries. This function parses and dumps one entry.
    """
    texts, new_text = split_entries(text), split_entries(dumps_yaml({"schema": "2.0", "stages": {name: entry}}))
    if texts is not None and new_text is not None and "&id0" not in new_text[name]:  # anchors count through the file
        texts |= new_text
        return HEADER + "".join(texts[key] for key in reorder([*texts], order))
    data: Any = parse_yaml_for_update(text, "dvc.lock") if text else {"schema": "2.0"}
    stages = data.get("stages") or {}
    stages[name] = entry
    names = reorder([*stages], order)
    data["stages"] = stages if names == [*stages] else {key: stages[key] for key in names}
    return str(dumps_yaml(data))


def split_entries(text: str) -> dict[str, str] | None:
    """Split the text of a lock file into {stage name: text of its entry}; None if DVC did not format it."""
    if not text.startswith(HEADER) or not ENTRIES.fullmatch(text, len(HEADER)) or HAND_EDITED.search(text):
        return None
    entries = [f"  {entry}" for entry in ENTRY_START.split(text[len(HEADER) :]) if entry]
    keys = [entry.partition("\n")[0].strip() for entry in entries]
    if not all(key.endswith(":") and key[0] not in "?#&*!" for key in keys):
        return None
    names = [loads_yaml(key[:-1]) if key[0] in "'\"" else key[:-1] for key in keys]
    return dict(zip(names, entries, strict=True)) if len({*names}) == len(names) else None


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def reorder(items: Sequence[Any], order: Sequence[Any]) -> list[Any]:
    """Sort the items that are in `order`; all others keep their positions.

    >>> reorder(["c", "x", "a"], ["a", "b", "c"])
    ['a', 'x', 'c']
    """
    rank = {item: number for number, item in enumerate(order)}
    ranked = iter(sorted((item for item in items if item in rank), key=rank.__getitem__))
    return [next(ranked) if item in rank else item for item in items]
