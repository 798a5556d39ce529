"""`abreast rehearse` on small projects: the outputs of `dvc repro`, without its lock and cache."""

import json
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from dvc_project import (
    DURATIONS,
    FAILING,
    LOGS,
    abreast,
    abreast_in_process,
    at_work,
    make,
    nightly,
    results,
    run,
    slow,
    start,
    wait_for,
)


def rehearse(folder: Path, *arguments: str, status: int = 0) -> str:
    return abreast(folder, *arguments, command="rehearse", status=status)


MANY = {
    "dvc.yaml": """
        stages:
          script: {cmd: python join.py more/b.txt script.txt, deps: [more/b.txt], outs: [script.txt]}
          shell: {cmd: "cat script.txt | tr a-z A-Z > shell.txt", deps: [script.txt], outs: [shell.txt]}
          both: {cmd: python join.py in.txt $NOTHING 'both.txt', deps: [in.txt], outs: [both.txt]}
          listed:
            cmd: ["python join.py in.txt one.txt", "python join.py one.txt two.txt"]
            deps: [in.txt]
            outs: [one.txt, two.txt]
          lines:
            cmd: |
              # several lines, each for a shell of its own

              cd some
              python join.py in.txt lines.txt
            deps: [in.txt]
            outs: [lines.txt]
          each:
            foreach: [x, y]
            do: {cmd: "python join.py in.txt each/${item}.txt", deps: [in.txt], outs: ["each/${item}.txt"]}
          there:
            wdir: some/where
            cmd: python ../../join.py ../../in.txt out.txt
            deps: [../../in.txt]
            outs: [out.txt]
        """,
    "more/dvc.yaml": """
        stages:
          b: {cmd: python ../join.py a.txt b.txt, deps: [a.txt], outs: [b.txt]}
          a: {cmd: python ../join.py ../in.txt a.txt, deps: [../in.txt], outs: [a.txt]}
        """,
    "some/where/kept.txt": "",
}


def test_a_rehearsal_writes_the_outputs_of_dvc_repro_and_no_lock(tmp_path: Path) -> None:
    by_dvc = make(tmp_path / "by_dvc", MANY)
    by_abreast = shutil.copytree(by_dvc, tmp_path / "by_abreast")
    run(by_dvc, "dvc", "repro")
    rehearse(by_abreast, "-j", "4")
    expected = {name: text for name, text in results(by_dvc).items() if not name.endswith((".lock", ".gitignore"))}
    assert results(by_abreast) == expected
    assert not (by_abreast / ".dvc/cache").exists()


ABOUT_SCRIPT = """
import os, pathlib, sys
import beside
print(os.environ["DVC_STAGE"], *sys.argv, pathlib.Path.cwd().name, "colorsys" in sys.modules, __name__, flush=True)
sys.exit(sys.stdin.read() or None)
"""


def test_a_script_sees_what_python_would_show_and_preloaded_modules(tmp_path: Path) -> None:
    files = {
        "dvc.yaml": "stages: {about: {cmd: python scripts/about.py a=1 b}}",
        "scripts/about.py": ABOUT_SCRIPT,
        "scripts/beside.py": "",
        "pyproject.toml": 'tool.abreast.preload = ["colorsys", "not_there"]',
    }
    folder = make(tmp_path / "project", files)
    rehearse(folder)
    assert (folder / LOGS / "about.log").read_text().splitlines()[2:] == [
        "about scripts/about.py a=1 b project True __main__"
    ]


def test_preloaded_modules_may_print_or_fail(tmp_path: Path) -> None:
    preloaded = '[tool.abreast]\npreload = ["this", "fails"]\n'
    make(tmp_path, {**slow(0, 1), "pyproject.toml": preloaded, "fails.py": "raise RuntimeError\n"})
    assert "s0: done" in rehearse(tmp_path)


def test_a_script_imports_a_package_abreast_in_its_folder(tmp_path: Path) -> None:
    script = "import abreast.mine\nopen('out.txt', 'w').close()\n"
    stages = "stages: {a: {cmd: python mine/script.py, outs: [out.txt]}}\n"
    beside = {"mine/abreast/__init__.py": "", "mine/abreast/mine.py": ""}
    make(tmp_path, {"dvc.yaml": stages, "mine/script.py": script, **beside})
    rehearse(tmp_path)


def test_a_stage_that_does_not_write_an_output_fails(tmp_path: Path) -> None:
    make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: 'true', outs: [out.txt]}}\n"})
    assert "error: a did not write its output out.txt" in rehearse(tmp_path, status=1)


@pytest.mark.parametrize("settings", ["tool.abreast.preload = 'torch'", "tool.abreast.preload = [1]", "tool."])
def test_an_invalid_list_of_modules_is_an_error_of_one_line(tmp_path: Path, settings: str) -> None:
    output = abreast_in_process(make(tmp_path, {**slow(0, 1), "pyproject.toml": settings}), "rehearse", status=2)
    assert output.startswith(f"error: {tmp_path}/pyproject.toml: ")
    assert len(output.splitlines()) == 1


def test_a_failed_stage_stops_only_its_dependents(tmp_path: Path) -> None:
    folder = make(tmp_path, FAILING)
    output = rehearse(folder, status=1)
    assert f"bad failed. The end of {LOGS}/bad.log:" in output
    assert (
        "1 stage done, 1 failed, 1 not run because they depend on failed ones. Fix the cause and run again.\n" in output
    )
    assert (folder / "good.txt").exists()


def test_a_stage_of_two_cores_runs_alone_and_durations_are_written_at_once(tmp_path: Path) -> None:
    last = f"last: {{cmd: cp {DURATIONS} seen.json, deps: [s0.txt, s1.txt], outs: [seen.json], meta: {{cores: 2}}}}"
    project = slow(0.5, 2, s1=", meta: {cores: 2}")
    folder = make(tmp_path, {**project, "dvc.yaml": f"{project['dvc.yaml']}  {last}\n"})
    output = rehearse(folder, "-j", "2")
    assert [line.split(";")[0].split(" in ")[0] for line in output.splitlines()[:3]] == [
        "s1: started",
        "s1: done",
        "s0: started",
    ]
    assert json.loads((folder / "seen.json").read_text()).keys() == {"s0", "s1"}


CLEANS_UP = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
pathlib.Path("started").touch()
try:
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(0.5)
    pathlib.Path("cleaned_up").touch()
"""
IGNORES_CTRL_C = """
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path("started").touch()
time.sleep(100)
"""
STOPS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("stop", ["KILL", *nightly("INT", "TERM")])
def test_a_stopped_rehearsal_lets_a_stage_clean_up_and_leaves_no_process(stop: str, tmp_path: Path) -> None:
    number, status = STOPS[stop]
    folder = make(
        tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}, b: {cmd: sleep 100; true}}", "a.py": CLEANS_UP}
    )
    with start(folder, "-j", "2", command="rehearse") as process:
        wait_for((folder / "started").exists)
        process.send_signal(number)
        assert process.wait(20) == status
    wait_for(lambda: not at_work(folder), 20)
    assert (folder / "cleaned_up").exists()


def test_a_command_that_does_not_end_is_killed_after_the_grace_time(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}}", "a.py": IGNORES_CTRL_C})
    with start(folder, "--grace", "1", command="rehearse") as process:
        wait_for((folder / "started").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not at_work(folder)


def test_no_process_is_left_after_the_server_is_killed(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}}", "a.py": IGNORES_CTRL_C})
    with start(folder, "--grace", "1", command="rehearse") as process:
        wait_for((folder / "started").exists)
        psutil.Process(process.pid).children()[0].kill()
        assert process.wait(20) != 0
    wait_for(lambda: not at_work(folder), 20)


def test_a_folder_outside_of_a_project_is_an_error_of_one_line(tmp_path: Path) -> None:
    assert abreast_in_process(tmp_path, "rehearse", status=2).startswith(
        "error: you are not inside of a DVC repository"
    )


def test_a_project_without_stages_is_an_error_of_one_line(tmp_path: Path) -> None:
    assert rehearse(make(tmp_path, {}), status=2) == "error: no stages with a command: there is nothing to run\n"
