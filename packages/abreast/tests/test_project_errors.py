"""Errors in a project: `abreast` prints one line with the place and DVC's message, and ends with status 2."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dvc_project import abreast, abreast_in_process, make, run

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

STAGE = "stages: {a: {cmd: echo a > a.txt, deps: [in.txt], outs: [a.txt]}}\n"
CONFLICT = """\
schema: '2.0'
stages:
<<<<<<< HEAD
  a:
    cmd: echo a > a.txt
=======
  a:
    cmd: echo b > a.txt
>>>>>>> other
"""


def instead_of(place: str, text: str = "") -> Callable[[Path], object]:
    """Return a function that makes a project with one file replaced."""
    return lambda folder: make(folder, {"dvc.yaml": STAGE, place: text})


ERRORS = {
    "a stage without a command": (
        instead_of("dvc.yaml", "stages:\n  b:\n    cmd: echo b\n  a:\n    deps: [in.txt]\n"),
        r"'./dvc.yaml' validation failed: required key not provided in stages -> a -> cmd, line 5",
    ),
    "an unknown key": (
        instead_of("dvc.yaml", "stages:\n  a:\n    cmd: echo a\n    dependencies: [in.txt]\n"),
        r"'./dvc.yaml' validation failed: extra keys not allowed in stages -> a -> dependencies, line 4",
    ),
    "dvc.yaml of a wrong form": (
        instead_of("dvc.yaml", "stages:\n  a:\n    cmd: [echo a\n    deps: [in.txt]\n"),
        r"unable to read: 'dvc.yaml', YAML file structure is corrupted, line \d: .+",
    ),
    "a value that is nowhere": (
        instead_of("dvc.yaml", "stages:\n  a:\n    cmd: echo ${lr}\n"),
        r"failed to parse 'stages.a.cmd' in 'dvc.yaml': Could not find 'lr'",
    ),
    "two stages of one output": (
        instead_of("dvc.yaml", f"{STAGE[:-2]}, b: {{cmd: echo b, outs: [a.txt]}}}}\n"),
        r"output 'a.txt' is specified in:.*a.*b.*",
    ),
    "conflict marks in dvc.yaml": (
        instead_of("dvc.yaml", CONFLICT.replace("schema: '2.0'\n", "")),
        r"unable to read: 'dvc.yaml', YAML file structure is corrupted, line [2-4]: .+",
    ),
    "conflict marks in dvc.lock": (
        instead_of("dvc.lock", CONFLICT),
        r"unable to read: 'dvc.lock', YAML file structure is corrupted, line [3-5]: .+resolve them, or run `git .*",
    ),
    "a folder in the place of dvc.lock": (instead_of("dvc.lock/file"), r".*dvc.lock.*"),
    "params.yaml of a wrong form": (
        instead_of("params.yaml", "a: [\n"),
        r"unable to read: 'params.yaml'.*, line 2\b.*",
    ),
    "an unknown setting": (
        instead_of(".dvc/config", "[nonsense]\n    a = 1\n"),
        r".*extra keys not allowed.*nonsense.*",
    ),
    "a setting of a wrong form": (instead_of(".dvc/config", "[core\n"), r"config file error: .* at line 1\."),
}
FOLDER_ERRORS = {
    "a file in the place of .dvc/tmp": (instead_of(".dvc/tmp"), r".*/\.dvc/tmp.*: (Not a directory|File exists); .+"),
    "a file in the place of the runner's folder": (
        instead_of(".dvc/tmp/abreast"),
        r".*/\.dvc/tmp/abreast.*: (Not a directory|File exists); .+",
    ),
    "a folder in the place of the runner's lock": (
        instead_of(".dvc/tmp/abreast/lock/file"),
        r".*/\.dvc/tmp/abreast/lock: Is a directory; .+",
    ),
    "a folder in the place of DVC's lock": (
        instead_of(".dvc/tmp/lock/file"),
        r".*\.dvc/tmp/lock.*: Is a directory; .+",
    ),
}


def require_one_line(output: str, message: str) -> None:
    assert re.fullmatch(f"error: {message}\n", output)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_printed_in_one_line(error: str, tmp_path: Path) -> None:
    make_project, message = ERRORS[error]
    make_project(tmp_path)
    require_one_line(abreast_in_process(tmp_path, "repro", "--dry", status=2), message)


@pytest.mark.parametrize("error", FOLDER_ERRORS)
def test_an_error_in_a_folder_of_abreast_or_dvc_is_printed_in_one_line(error: str, tmp_path: Path) -> None:
    make_project, message = FOLDER_ERRORS[error]
    make_project(tmp_path)
    require_one_line(abreast(tmp_path, status=2), message)


@pytest.mark.parametrize("command", ["repro", "rehearse"])
def test_an_error_in_a_run_is_printed_in_one_line(command: str, tmp_path: Path) -> None:
    make_project, message = ERRORS["conflict marks in dvc.lock"]
    make_project(tmp_path)
    require_one_line(abreast(tmp_path, command=command, status=2), message)


@pytest.mark.parametrize("place", ["/proc/nowhere", "file/in"])
def test_a_site_cache_that_cannot_be_written_is_an_error_of_one_line(place: str, tmp_path: Path) -> None:
    """Not even root can create folders in /proc or below a file."""
    (tmp_path / "file").touch()
    folder = make(tmp_path / "project", {"dvc.yaml": STAGE})
    site_cache = str(tmp_path / place)
    output = run(folder, "abreast", "repro", status=2, environment={"DVC_SITE_CACHE_DIR": site_cache})
    require_one_line(output, f".*{re.escape(site_cache)}.*")


def test_check_and_log_print_an_error_in_one_line(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": STAGE, "dvc.lock": CONFLICT})
    require_one_line(abreast_in_process(folder, "check", status=2), ".*'dvc.lock'.*")
    require_one_line(abreast_in_process(folder, "log", status=2), "no run to show; `abreast repro` starts one")
