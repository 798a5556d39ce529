"""An entry put into the text of a lock gives the bytes that DVC gives, which parses and dumps all of it."""

import re

import pytest

from abreast.dvc_api import dumps_yaml, in_order, lock_blocks, lock_entry, parse_yaml_for_update, with_entry

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
def test_whatever_a_stage_is_called(name: str, tmp_path) -> None:
    text = by_dvc(by_dvc("", "before", entry()), "after", entry())
    for size in (4, 5):  # a new entry, then a changed one
        expected = by_dvc(text, name, entry(size=size))
        text = with_entry(text, name, entry(size=size), [])
        assert text == expected
    (tmp_path / "dvc.lock").write_text(text)
    assert lock_entry(tmp_path / "dvc.lock", name) == entry(size=5)
    assert lock_entry(tmp_path / "dvc.lock", "none") is None


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_its_command_is(command: object) -> None:
    text = by_dvc(by_dvc("", "before", entry(command)), "after", entry(command))
    for name in ("before", "new"):
        assert with_entry(text, name, entry(command, size=4), []) == by_dvc(text, name, entry(command, size=4))


def test_values_that_stand_twice_in_the_parameters_of_two_stages() -> None:
    text, shared = "", [1, 2]
    for name in ("a", "b"):
        new = entry() | {"params": {"params.yaml": {"x": shared, "y": shared}}}
        expected = by_dvc(text, name, new)
        text = with_entry(text, name, new, [])
        assert text == expected


def test_a_lock_that_a_person_has_edited_is_left_to_dvc() -> None:
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
        assert lock_blocks(each) is None
        assert with_entry(each, "b", entry(), []) == by_dvc(each, "b", entry())


def test_new_entries_stand_in_the_order_of_the_plan_and_old_ones_where_they_were() -> None:
    text = ""
    for name in ("old", "three", "one", "two"):
        text = with_entry(text, name, entry(), ["one", "two", "three"])
    assert list(lock_blocks(text) or {}) == ["old", "one", "two", "three"]


def test_what_an_order_does_not_name_keeps_its_place() -> None:
    assert in_order(["c", "x", "a", "y", "b"], ["a", "b", "c"]) == ["a", "x", "b", "y", "c"]
