"""`abreast rehearse`, on small projects: what `dvc repro` writes, without its lock and cache."""

import json
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from dvc_project import DURATIONS, FAILING, LOGS, abreast, at_work, make, results, run, slow, start, wait_for


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


def test_it_writes_what_dvc_repro_writes_but_no_lock(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain", MANY)
    ours = shutil.copytree(plain, tmp_path / "ours")
    run(plain, "dvc", "repro")
    rehearse(ours, "-j", "4")
    by_dvc = {name: text for name, text in results(plain).items() if not name.endswith((".lock", ".gitignore"))}
    assert results(ours) == by_dvc
    assert not (ours / ".dvc/cache").exists()


TOLD = """
import os, pathlib, sys
import beside
print(os.environ["DVC_STAGE"], *sys.argv, pathlib.Path.cwd().name, "colorsys" in sys.modules, __name__, flush=True)
sys.exit(sys.stdin.read() or None)
"""


def test_a_script_finds_what_python_would_give_it_and_slow_imports_behind_it(tmp_path: Path) -> None:
    files = {
        "dvc.yaml": "stages: {told: {cmd: python scripts/told.py a=1 b}}",
        "scripts/told.py": TOLD,
        "scripts/beside.py": "",
        "pyproject.toml": 'tool.abreast.preload = ["colorsys", "not_there"]',
    }
    folder = make(tmp_path / "project", files)
    rehearse(folder)
    assert (folder / LOGS / "told.log").read_text().splitlines()[2:] == [
        "told scripts/told.py a=1 b project True __main__"
    ]


def test_a_module_that_prints_or_fails_when_it_is_imported_disturbs_nothing(tmp_path: Path) -> None:
    preloaded = '[tool.abreast]\npreload = ["this", "fails"]\n'
    make(tmp_path, {**slow(0, 1), "pyproject.toml": preloaded, "fails.py": "raise RuntimeError\n"})
    assert "s0: done" in rehearse(tmp_path)


def test_a_script_finds_the_abreast_that_lies_beside_it(tmp_path: Path) -> None:
    script = "import abreast.mine\nopen('out.txt', 'w').close()\n"
    stages = "stages: {a: {cmd: python mine/script.py, outs: [out.txt]}}\n"
    beside = {"mine/abreast/__init__.py": "", "mine/abreast/mine.py": ""}
    make(tmp_path, {"dvc.yaml": stages, "mine/script.py": script, **beside})
    rehearse(tmp_path)


def test_a_stage_that_leaves_out_an_output_has_failed(tmp_path: Path) -> None:
    make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: 'true', outs: [out.txt]}}\n"})
    assert "error: out.txt was not written, which is an output of a" in rehearse(tmp_path, status=1)


@pytest.mark.parametrize("said", ["tool.abreast.preload = 'torch'", "tool.abreast.preload = [1]", "tool."])
def test_a_bad_list_of_modules_is_refused_in_a_line(tmp_path: Path, said: str) -> None:
    output = rehearse(make(tmp_path, {**slow(0, 1), "pyproject.toml": said}), status=2)
    assert output.startswith(f"error: {tmp_path}/pyproject.toml: ")
    assert len(output.splitlines()) == 1


def test_a_failing_stage_stops_what_needs_it_alone(tmp_path: Path) -> None:
    folder = make(tmp_path, FAILING)
    output = rehearse(folder, status=1)
    assert f"bad failed. The end of {LOGS}/bad.log:" in output
    assert "1 stage done, 1 failed, 1 not run since they need those. Mend it and run again.\n" in output
    assert (folder / "good.txt").exists()


def test_a_stage_that_fills_two_cores_runs_alone_and_finds_the_durations_of_those_before(tmp_path: Path) -> None:
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


TIDYING = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
pathlib.Path("begun").touch()
try:
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(0.5)
    pathlib.Path("tidied").touch()
"""
DEAF = """
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path("begun").touch()
time.sleep(100)
"""
STOPS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("stop", STOPS)
def test_stopped_it_lets_a_stage_tidy_up_and_leaves_no_process(stop: str, tmp_path: Path) -> None:
    number, status = STOPS[stop]
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}, b: {cmd: sleep 100; true}}", "a.py": TIDYING})
    with start(folder, "-j", "2", command="rehearse") as process:
        wait_for((folder / "begun").exists)
        process.send_signal(number)
        assert process.wait(20) == status
    wait_for(lambda: not at_work(folder), 20)
    assert (folder / "tidied").exists()


def test_a_stage_that_does_not_end_is_killed_after_its_grace(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}}", "a.py": DEAF})
    with start(folder, "--grace", "1", command="rehearse") as process:
        wait_for((folder / "begun").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not at_work(folder)


def test_nothing_outlives_the_process_that_forks_when_something_kills_it(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: python a.py}}", "a.py": DEAF})
    with start(folder, "--grace", "1", command="rehearse") as process:
        wait_for((folder / "begun").exists)
        psutil.Process(process.pid).children()[0].kill()
        assert process.wait(20) != 0
    wait_for(lambda: not at_work(folder), 20)


def test_outside_of_a_dvc_project_it_says_so_in_a_line(tmp_path: Path) -> None:
    assert rehearse(tmp_path, status=2).startswith("error: you are not inside of a DVC repository")


def test_a_project_without_stages_is_refused_in_a_line(tmp_path: Path) -> None:
    assert rehearse(make(tmp_path, {}), status=2) == "error: no stages with a command: there is nothing to rehearse\n"
