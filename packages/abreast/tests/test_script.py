"""Which Python scripts and modules run as forks, and what a fork imports."""

import pytest

from dvc_project import LOGS, abreast, make

PRELOADED = 'tool.abreast.preload = ["colorsys", "numpy.random"]'
PRINTS_START = """
import random, sys
import numpy
print("forked" if "colorsys" in sys.modules else "new", random.random(), numpy.random.rand(), flush=True)
"""
NUMPY = "class random: rand = lambda: 0.5\n"
USES_DVC = """
import dvc.lock, dvc.stage.run
print("forked", dvc.lock.DEFAULT_TIMEOUT, dvc.stage.run._run.__module__)
"""
CASES = {  # name: command, files besides the script s.py
    "a_script": ("python s.py", {}),
    "the_same_script": ("python s.py", {}),
    "another_abreast": (
        "python t.py",
        {
            "t.py": "import sys; sys.path.insert(0, 'other'); import abreast.mine, s",
            "other/abreast/__init__.py": "",
            "other/abreast/mine.py": "",
        },
    ),
    "uses_dvc": ("python uses_dvc.py", {"uses_dvc.py": USES_DVC}),
    "option": ("python -u s.py", {}),
    "variable": ("X=1 python s.py", {}),
    "quotes": ("python s.py 'a'", {}),
    "a_package": ("python -m package", {"package/__init__.py": "", "package/__main__.py": PRINTS_START}),
    "json_beside_the_script": ("python s.py", {"json.py": ""}),
    "json_beside_the_package": ("python -m package.inner", {"package/inner.py": PRINTS_START, "json.py": ""}),
    "numpy_beside_the_script": ("python s.py", {"numpy/__init__.py": NUMPY}),
}
NOT_FORKED = {*list(CASES)[4:]}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run each case as a stage in a folder of its own, one DVC process for all; return the words that each prints."""
    files = {"pyproject.toml": PRELOADED, "dvc.yaml": "stages:\n"}
    for name, (command, more) in CASES.items():
        files["dvc.yaml"] += f'  {name}: {{wdir: {name}, cmd: "{command}"}}\n'
        files |= {f"{name}/{file}": text for file, text in {"s.py": PRINTS_START, **more}.items()}
    folder = make(tmp_path_factory.mktemp("scripts"), files)
    abreast(folder, "-j", "1")
    logs = {name: (folder / LOGS / f"{name}.log").read_text().splitlines() for name in CASES}
    return {
        name: next(line for line in log if line.startswith(("forked", "new"))).split() for name, log in logs.items()
    }


def test_scripts_are_forks_unless_they_could_see_a_difference(printed: dict[str, list[str]]) -> None:
    assert {name for name, (start, *_) in printed.items() if start == "new"} == NOT_FORKED
    assert printed["numpy_beside_the_script"][2] == "0.5"


def test_forks_draw_different_random_numbers(printed: dict[str, list[str]]) -> None:
    assert not {*printed["a_script"][1:]} & {*printed["the_same_script"][1:]}


def test_a_script_that_uses_dvc_gets_its_original_functions(printed: dict[str, list[str]]) -> None:
    assert printed["uses_dvc"] == ["forked", "3", "dvc.stage.run"]
