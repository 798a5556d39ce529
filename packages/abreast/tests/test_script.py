"""Python scripts as forks of a process that has their imports behind it: what Python itself would do."""

import subprocess
from pathlib import Path

import pytest

from dvc_project import ENVIRONMENT, LOGS, abreast, make

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


ABOUT_MODULE = """
import sys
{relative}
from other.deep import thing
names = ["__name__", "__package__", "__file__", "__cached__", "__builtins__"]
print(*(globals()[name] for name in names), __spec__.name, __spec__.origin, type(__loader__).__name__)
print(sys.argv, sys.orig_argv, sys.path[0], __loader__ is __spec__.loader, sys.modules["__main__"].__spec__ is __spec__)
print(thing.__package__, sorted(name for name in sys.modules if name.startswith(("top", "regular", "space"))))
open("preloaded.txt", "w").write(str("colorsys" in sys.modules))
"""
MODULES = {  # the files __init__.py on the way to each
    "top": [],
    "regular.inner": ["regular/__init__.py"],
    "regular.space.inner": ["regular/__init__.py"],
    "space.inner": [],
    "space.regular.inner": ["space/regular/__init__.py"],
}
MODULE_ENDS = {
    "a number": "import sys; print('last words'); sys.exit(3)",
    "a text": "import sys; sys.exit('for want of data')",
    "an error": "def f(): 1 / 0\nf()",
    "an error in a module": "from . import fails",
    "a mistake in writing": "print('never')\n1 +\n",
    "a relative import of nothing": "from .nothing import name",
    "Ctrl-C": "raise KeyboardInterrupt",
}


def check_module(folder: Path, module: str, files: dict[str, str]) -> None:
    """Run `python -m` by Python and as a stage; require the same output and exit status."""
    command = f"python -m {module} a=1 --b x/y"
    file = {"dvc.yaml": f"stages: {{a: {{cmd: {command}}}}}", "pyproject.toml": PRELOADED}
    make(folder, {**file, **files})
    plain = subprocess.run(command.split(), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    abreast(folder, command="rehearse", status=1 if plain.returncode else 0)
    failed = f"ERROR: failed to run: {command}, exited with {plain.returncode}\n" if plain.returncode else ""
    log = (folder / LOGS / "a.log").read_text()
    assert log == f"Running stage 'a':\n> {command}\n{plain.stdout}{plain.stderr}{failed}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_run_by_m_is_a_fork_and_finds_what_python_would_give_it(module: str, tmp_path: Path) -> None:
    folder = module.replace(".", "/").rpartition("/")[0]
    text = ABOUT_MODULE.format(relative="from . import beside" if folder else "import beside")
    files = {f"{module.replace('.', '/')}.py": text, f"{folder or '.'}/beside.py": "", "other/deep/thing.py": ""}
    check_module(tmp_path, module, {**files, **dict.fromkeys(MODULES[module], "")})
    assert (tmp_path / "preloaded.txt").read_text() == "True"


@pytest.mark.parametrize("end", MODULE_ENDS)
def test_a_module_run_by_m_ends_with_the_status_and_the_traceback_of_python(end: str, tmp_path: Path) -> None:
    check_module(tmp_path, "package.module", {"package/module.py": MODULE_ENDS[end], "package/fails.py": "1 / 0"})


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("package.module", {"package/module.py": TELLS, "json.py": ""}),  # in a folder with the name of a loaded module
        ("package", {"package/__init__.py": "", "package/__main__.py": TELLS}),
    ],
)
def test_a_module_that_is_not_plainly_a_file_beside_no_loaded_module_runs_anew(
    module: str, files: dict[str, str], tmp_path: Path
) -> None:
    stages = f"stages: {{a: {{cmd: python -m {module} a.txt, outs: [a.txt]}}}}"
    abreast(make(tmp_path, {"dvc.yaml": stages, "pyproject.toml": PRELOADED, **files}))
    assert logs(tmp_path, "a")[0][0] == "anew"
