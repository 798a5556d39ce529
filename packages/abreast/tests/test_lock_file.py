"""An entry put into the text of a lock gives the bytes that DVC gives, which parses and dumps all of it."""

import re

import pytest
from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from abreast.dvc_api.lock_file import lock_entry, reorder, set_entry, split_entries

NAMES = [
    "train",
    "train@base",
    "2024",
    "true",
    "null",
    "e f",
    "each@c:d",
    "each@c: d",
    "each@a/b",
    "each@2024-01-01T10:00",
    "'quoted'",
    'each@"quoted"',
    "each@a#b",
    "each@a #b",
    "- x",
    "? y",
    "{z}",
    "&anchor",
    "*alias",
    "!tag",
    "%directive",
    "@at",
    "ünï",
    "long@" + "x" * 200,
]
COMMANDS = [
    "cp in.txt out.txt",
    ["one", "two"],
    "first line\nsecond line\n",
    "echo 'a: b' # c",
    "echo " + " ".join(["word"] * 60),
    "",
    "  leading",
    "tab\there",
]


def entry(command: object = "cp in.txt out.txt", size: int = 3) -> dict:
    file = {"path": "in.txt", "hash": "md5", "md5": "ba8d2b9408ed255ee92a112fe7ba59be", "size": size}
    return {"cmd": command, "deps": [file], "params": {"params.yaml": {"a.b": [1, "x: y"]}}, "outs": [dict(file)]}


def by_dvc(text: str, name: str, new: dict) -> str:
    data = parse_yaml_for_update(text, "dvc.lock") if text else {"schema": "2.0", "stages": {}}
    data["stages"].update({name: new})
    return dumps_yaml(data)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_has_the_bytes_of_dvc_for_any_stage_name(name: str, tmp_path) -> None:
    text = by_dvc(by_dvc("", "before", entry()), "after", entry())
    for size in (4, 5):  # a new entry, then a changed one
        expected = by_dvc(text, name, entry(size=size))
        text = set_entry(text, name, entry(size=size), [])
        assert text == expected
    (tmp_path / "dvc.lock").write_text(text)
    assert lock_entry(tmp_path / "dvc.lock", name) == entry(size=5)
    assert lock_entry(tmp_path / "dvc.lock", "none") is None


@pytest.mark.parametrize("command", COMMANDS)
def test_an_entry_has_the_bytes_of_dvc_for_any_command(command: object) -> None:
    text = by_dvc(by_dvc("", "before", entry(command)), "after", entry(command))
    for name in ("before", "new"):
        assert set_entry(text, name, entry(command, size=4), []) == by_dvc(text, name, entry(command, size=4))


def test_an_entry_has_the_bytes_of_dvc_with_yaml_anchors() -> None:
    text, shared = "", [1, 2]
    for name in ("a", "b"):
        new = entry() | {"params": {"params.yaml": {"x": shared, "y": shared}}}
        expected = by_dvc(text, name, new)
        text = set_entry(text, name, new, [])
        assert text == expected


def test_a_lock_that_was_edited_by_hand_is_written_by_dvc() -> None:
    text = by_dvc("", "a", entry())
    edited = [
        text.replace("  a:\n", "  # a comment\n  a:\n"),
        text.replace("  a:\n", "  a: # a comment\n"),
        text + "datasets:\n- name: d\n  type: dvc\n",
        text.replace("schema: '2.0'", 'schema: "2.0"'),
        text.removesuffix("\n"),
        re.sub("^(    (?:- |  )(?:path|hash|md5|size):)", r"  \1", text, flags=re.MULTILINE),
        text.replace("    cmd:", "    # a comment\n    cmd:"),
    ]
    for each in edited:
        assert split_entries(each) is None
        assert set_entry(each, "b", entry(), []) == by_dvc(each, "b", entry())


def test_new_entries_are_sorted_and_old_ones_keep_their_positions() -> None:
    text = ""
    for name in ("old", "three", "one", "two"):
        text = set_entry(text, name, entry(), ["one", "two", "three"])
    assert list(split_entries(text) or {}) == ["old", "one", "two", "three"]


def test_reorder_keeps_the_positions_of_other_items() -> None:
    assert reorder(["c", "x", "a", "y", "b"], ["a", "b", "c"]) == ["a", "x", "b", "y", "c"]
