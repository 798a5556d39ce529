"""Python scripts and modules as forks: the same behaviour as in a process of their own."""

import subprocess
from pathlib import Path

import pytest

from dvc_project import ENVIRONMENT, LOGS, abreast, make

PRELOADED = 'tool.abreast.preload = ["colorsys", "numpy.random"]'
PRINTS_START = """
import random, sys
import numpy
print("forked" if "colorsys" in sys.modules else "new", random.random(), numpy.random.rand(), flush=True)
open(sys.argv[1], "w").close()
"""


def logs(folder: Path, *names: str) -> list[list[str]]:
    """Return the words of the line of each log that begins with how the script was started: forked or new."""
    lines = [(folder / LOGS / f"{name}.log").read_text().splitlines() for name in names]
    return [next(line for line in each if line.startswith(("forked", "new"))).split() for each in lines]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two stages that run one after the other in one DVC process."""
    stages = """
        stages:
          a: {cmd: python prints.py a.txt, deps: [prints.py], outs: [a.txt]}
          b: {cmd: python prints.py b.txt, deps: [a.txt], outs: [b.txt]}
        """
    return make(tmp_path, {"dvc.yaml": stages, "prints.py": PRINTS_START, "pyproject.toml": PRELOADED})


def test_stages_are_forks_with_different_random_numbers(two: Path) -> None:
    abreast(two)
    (start_a, *numbers_a), (start_b, *numbers_b) = logs(two, "a", "b")
    assert start_a == start_b == "forked"
    assert not {*numbers_a} & {*numbers_b}


@pytest.mark.parametrize("beside", ["json.py", "numpy/__init__.py"])
def test_a_script_beside_a_file_named_like_a_loaded_module_is_not_forked(beside: str, tmp_path: Path) -> None:
    """Python would import the file in its folder."""
    stages = "stages: {a: {cmd: python scripts/prints.py a.txt, outs: [a.txt]}}"
    numpy = "class random: rand = lambda: 0.5\n"
    files = {
        "dvc.yaml": stages,
        "scripts/prints.py": PRINTS_START,
        f"scripts/{beside}": numpy,
        "pyproject.toml": PRELOADED,
    }
    folder = make(tmp_path, files)
    abreast(folder)
    ((start, _, number),) = logs(folder, "a")
    assert start == "new"
    assert (number == "0.5") == beside.startswith("numpy")


def test_a_script_may_import_another_abreast_from_its_path(tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, 'other'); import abreast.mine\n" + PRINTS_START
    stages = "stages: {a: {cmd: python script.py a.txt, outs: [a.txt]}}"
    other = {"other/abreast/__init__.py": "", "other/abreast/mine.py": ""}
    folder = make(tmp_path, {"dvc.yaml": stages, "script.py": script, "pyproject.toml": PRELOADED, **other})
    abreast(folder)
    assert logs(folder, "a")[0][0] == "forked"


USES_DVC = """
import dvc.lock, dvc.stage.run
print("forked", dvc.lock.DEFAULT_TIMEOUT, dvc.stage.run._run.__module__)
"""


def test_a_script_that_uses_dvc_gets_its_original_functions(tmp_path: Path) -> None:
    stages = "stages: {a: {cmd: python script.py}}"
    folder = make(tmp_path, {"dvc.yaml": stages, "script.py": USES_DVC, "pyproject.toml": PRELOADED})
    abreast(folder)
    assert logs(folder, "a") == [["forked", "3", "dvc.stage.run"]]


@pytest.mark.parametrize(
    "command", ["python -u prints.py a.txt", "X=1 python prints.py a.txt", "python prints.py 'a.txt'"]
)
def test_a_command_that_needs_a_shell_is_not_forked(command: str, tmp_path: Path) -> None:
    stages = f'stages: {{a: {{cmd: "{command}", outs: [a.txt]}}}}'
    folder = make(tmp_path, {"dvc.yaml": stages, "prints.py": PRINTS_START, "pyproject.toml": PRELOADED})
    abreast(folder)
    assert logs(folder, "a")[0][0] == "new"


ENDS = {
    "sys.exit(3)": ("", 3),
    "sys.exit('why')": ("why", 1),
    "raise ValueError('why')": ("ValueError: why", 1),
    "import os; os._exit(4)": ("", 4),
    "sys.exit()": ("", 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_script_ends_with_the_status_and_message_of_python(end: str, tmp_path: Path) -> None:
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
    python = subprocess.run(command.split(), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    abreast(folder, command="rehearse", status=1 if python.returncode else 0)
    failed = f"ERROR: failed to run: {command}, exited with {python.returncode}\n" if python.returncode else ""
    log = (folder / LOGS / "a.log").read_text()
    assert log == f"Running stage 'a':\n> {command}\n{python.stdout}{python.stderr}{failed}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_run_with_m_is_a_fork_and_sees_what_python_would_show(module: str, tmp_path: Path) -> None:
    folder = module.replace(".", "/").rpartition("/")[0]
    text = ABOUT_MODULE.format(relative="from . import beside" if folder else "import beside")
    files = {f"{module.replace('.', '/')}.py": text, f"{folder or '.'}/beside.py": "", "other/deep/thing.py": ""}
    check_module(tmp_path, module, {**files, **dict.fromkeys(MODULES[module], "")})
    assert (tmp_path / "preloaded.txt").read_text() == "True"


@pytest.mark.parametrize("end", MODULE_ENDS)
def test_a_module_run_with_m_ends_with_the_status_and_traceback_of_python(end: str, tmp_path: Path) -> None:
    check_module(tmp_path, "package.module", {"package/module.py": MODULE_ENDS[end], "package/fails.py": "1 / 0"})


@pytest.mark.parametrize(
    ("module", "files"),
    [
        (
            "package.module",
            {"package/module.py": PRINTS_START, "json.py": ""},
        ),  # in a folder with the name of a loaded module
        ("package", {"package/__init__.py": "", "package/__main__.py": PRINTS_START}),
    ],
)
def test_a_package_and_a_module_beside_a_file_named_like_a_loaded_module_are_not_forked(
    module: str, files: dict[str, str], tmp_path: Path
) -> None:
    stages = f"stages: {{a: {{cmd: python -m {module} a.txt, outs: [a.txt]}}}}"
    abreast(make(tmp_path, {"dvc.yaml": stages, "pyproject.toml": PRELOADED, **files}))
    assert logs(tmp_path, "a")[0][0] == "new"
