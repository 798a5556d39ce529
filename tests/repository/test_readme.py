"""Test that the commands in README.md are valid: targets of make, arguments of `fashion` and `dvc`, settings."""

import re
import shlex
from typing import Any

import pytest
from ruamel.yaml import YAML

from clone import ROOT
from fashion.cli import make_parser
from fashion.params import check
from fashion.settings.parsing import load_yaml

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
LINES = [line.partition("  #")[0] for block in BLOCKS for line in block.splitlines()]
COMMANDS = [command.strip() for line in LINES for command in line.split(";")]
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
DVC_COMMANDS = {
    "metrics diff",
    "metrics show",
    "params diff",
    "plots diff",
    "exp show",
    "exp run",
    "repro",
    "plots show",
}


def override(setting: str) -> dict[str, Any]:
    """Give params.yaml with a setting as for `dvc exp run -S`: key=value, or +key=value for a new key."""
    params = load_yaml(ROOT / "params.yaml")
    key, _, value = setting.partition("=")
    *parents, last = key.removeprefix("+").split(".")
    section = params
    for parent in parents:
        section = section[parent]
    assert (last in section) != key.startswith("+"), key
    section[last] = YAML(typ="safe").load(value)
    return params


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_valid(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert words[1] in TARGETS
    elif words[0] == "fashion":
        make_parser().parse_args(words[1:])
    else:
        assert words[0] == "dvc", command
        assert " ".join(words[1:3]) in DVC_COMMANDS
        for setting in words[words.index("-S") + 1 :] if "-S" in words else []:
            check(override(setting), source="params.yaml")
