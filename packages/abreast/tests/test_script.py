"""Python scripts as forks of a process that has their imports behind it: what Python itself would do."""

from pathlib import Path

import pytest

from dvc_project import LOGS, abreast, make

PRELOADED = 'tool.abreast.preload = ["colorsys", "numpy.random"]'
TELLS = """
import random, sys
import numpy
print("forked" if "colorsys" in sys.modules else "anew", random.random(), numpy.random.rand(), flush=True)
open(sys.argv[1], "w").close()
"""


def logs(folder: Path, *names: str) -> list[list[str]]:
    """Give the words of the last line of each stage's log that begins with how it was started."""
    lines = [(folder / LOGS / f"{name}.log").read_text().splitlines() for name in names]
    return [next(line for line in each if line.startswith(("forked", "anew"))).split() for each in lines]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two stages that run one after the other in one process of DVC."""
    stages = """
        stages:
          a: {cmd: python tells.py a.txt, deps: [tells.py], outs: [a.txt]}
          b: {cmd: python tells.py b.txt, deps: [a.txt], outs: [b.txt]}
        """
    return make(tmp_path, {"dvc.yaml": stages, "tells.py": TELLS, "pyproject.toml": PRELOADED})


def test_stages_of_repro_are_forks_that_draw_numbers_of_their_own(two: Path) -> None:
    abreast(two)
    (how_a, *drawn_a), (how_b, *drawn_b) = logs(two, "a", "b")
    assert how_a == how_b == "forked"
    assert not {*drawn_a} & {*drawn_b}


@pytest.mark.parametrize("beside", ["json.py", "numpy/__init__.py"])
def test_a_script_beside_a_file_with_the_name_of_a_loaded_module_runs_anew(beside: str, tmp_path: Path) -> None:
    """Python would import the file beside it."""
    stages = "stages: {a: {cmd: python scripts/tells.py a.txt, outs: [a.txt]}}"
    numpy = "class random: rand = lambda: 0.5\n"
    files = {"dvc.yaml": stages, "scripts/tells.py": TELLS, f"scripts/{beside}": numpy, "pyproject.toml": PRELOADED}
    folder = make(tmp_path, files)
    abreast(folder)
    ((how, _, drawn),) = logs(folder, "a")
    assert how == "anew"
    assert (drawn == "0.5") == beside.startswith("numpy")


def test_a_script_may_import_another_abreast_from_a_folder_that_it_names(tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, 'other'); import abreast.mine\n" + TELLS
    stages = "stages: {a: {cmd: python script.py a.txt, outs: [a.txt]}}"
    other = {"other/abreast/__init__.py": "", "other/abreast/mine.py": ""}
    folder = make(tmp_path, {"dvc.yaml": stages, "script.py": script, "pyproject.toml": PRELOADED, **other})
    abreast(folder)
    assert logs(folder, "a")[0][0] == "forked"


USES_DVC = """
import dvc.lock, dvc.stage.run
print("forked", dvc.lock.DEFAULT_TIMEOUT, dvc.stage.run._run.__module__)
"""


def test_a_script_that_uses_dvc_gets_it_as_it_is(tmp_path: Path) -> None:
    stages = "stages: {a: {cmd: python script.py}}"
    folder = make(tmp_path, {"dvc.yaml": stages, "script.py": USES_DVC, "pyproject.toml": PRELOADED})
    abreast(folder)
    assert logs(folder, "a") == [["forked", "3", "dvc.stage.run"]]


@pytest.mark.parametrize(
    "command", ["python -u tells.py a.txt", "X=1 python tells.py a.txt", "python tells.py 'a.txt'"]
)
def test_a_command_that_is_for_a_shell_gets_one(command: str, tmp_path: Path) -> None:
    stages = f'stages: {{a: {{cmd: "{command}", outs: [a.txt]}}}}'
    folder = make(tmp_path, {"dvc.yaml": stages, "tells.py": TELLS, "pyproject.toml": PRELOADED})
    abreast(folder)
    assert logs(folder, "a")[0][0] == "anew"


ENDS = {
    "sys.exit(3)": ("", 3),
    "sys.exit('why')": ("why", 1),
    "raise ValueError('why')": ("ValueError: why", 1),
    "import os; os._exit(4)": ("", 4),
    "sys.exit()": ("", 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_script_ends_with_the_status_and_the_words_of_python(end: str, tmp_path: Path) -> None:
    words, status = ENDS[end]
    stages = "stages: {a: {cmd: python ends.py}}"
    folder = make(tmp_path, {"dvc.yaml": stages, "ends.py": f"import sys\n{end}\n", "pyproject.toml": PRELOADED})
    abreast(folder, status=1 if status else 0)
    log = (folder / LOGS / "a.log").read_text()
    assert words in log
    assert status == 0 or f"failed to run: python ends.py, exited with {status}" in log
    assert "run/script.py" not in log, "a traceback begins with the script"
