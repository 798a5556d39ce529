"""How `abreast repro` waits for other DVC processes, and how it stops: no process is left, and no result is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import zc.lockfile
from rich.console import Console

import abreast as package
from abreast.run.live import View
from abreast.run.schedule import Schedule, Task
from dvc_project import (
    ENVIRONMENT,
    LOGS,
    abreast,
    at_work,
    compare_with_dvc,
    entries,
    make,
    nightly,
    run,
    slow,
    start,
    wait_for,
)

START_METHODS = {"forks": {}, "new processes": {"ABREAST_FORK": "0"}}


def test_a_stage_that_runs_dvc_on_itself_fails_as_in_dvc_repro(tmp_path: Path) -> None:
    """Its log says that its own files are busy; that is not another DVC process."""
    stages = "stages: {a: {cmd: echo ran >> ran.txt; echo x > o.txt; dvc commit -f a, deps: [in.txt], outs: [o.txt]}}"
    by_dvc = make(tmp_path / "by_dvc", {"dvc.yaml": stages})
    by_abreast = shutil.copytree(by_dvc, tmp_path / "by_abreast")
    run(by_dvc, "dvc", "repro", status=255)
    abreast(by_abreast, status=1)
    assert "is busy" in (by_abreast / LOGS / "a.log").read_text()
    assert (by_abreast / "ran.txt").read_text() == (by_dvc / "ran.txt").read_text() == "ran\n"
    assert not entries(by_abreast)


@pytest.fixture
def other_program() -> Iterator[int]:
    """Run a program other than DVC, and yield its process id."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("kind", ["write", *nightly("read")])
def test_a_stale_process_id_in_the_rwlock_is_an_error_with_a_remedy(
    kind: str, other_program: int, tmp_path: Path
) -> None:
    folder = make(tmp_path, slow(0, 1))
    info, path = {"pid": other_program, "cmd": "/usr/bin/dvc repro"}, str(folder / "s0.txt")
    rwlock = folder / ".dvc/tmp/rwlock"
    rwlock.parent.mkdir()
    rwlock.write_text(json.dumps({"read": {path: [info]}} if kind == "read" else {"write": {path: info}}))
    lines = [line for line in run(folder, "abreast", "repro", status=None).splitlines() if "rwlock" in line]
    assert len(lines) == 1
    assert all(part in lines[0] for part in ("error: ", path, f"process {other_program} (`/usr/bin/dvc repro`)"))
    assert lines[0].endswith(f"{other_program} (`sleep 600`): delete .dvc/tmp/rwlock while no DVC runs, and run again")
    rwlock.unlink()
    abreast(folder)


GATE = "for i in $(seq 600); do test -e go && break; sleep 0.1; done"


def test_a_stage_waits_for_a_running_dvc_and_names_it_once(tmp_path: Path) -> None:
    stages = f"""
        stages:
          a: {{cmd: touch started; {GATE}, deps: [in.txt]}}
          b: {{cmd: echo b >> ran.txt; sleep 3; echo b > b.txt, deps: [in.txt], outs: [b.txt]}}
        """
    folder, output = make(tmp_path / "project", {"dvc.yaml": stages}), tmp_path / "output"
    with start(folder, "-j", "1", output=output) as process:
        wait_for((folder / "started").exists)
        line = ["dvc", "repro", "--single-item", "b"]
        with subprocess.Popen(line, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as other:
            wait_for((folder / "ran.txt").exists)
            (folder / "go").touch()
            assert process.wait(60) == 0
            assert other.wait(1) == 0
    lines = [line for line in output.read_text().splitlines() if "waits" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"b: waits for process {other.pid} (`")
    assert "b: did not change; 2 of 2" in output.read_text()
    assert (folder / "ran.txt").read_text() == "b\n"


GATED = f"stages: {{a: {{cmd: touch started; {GATE}; echo x > a.txt, deps: [in.txt], outs: [a.txt]}}}}"


@pytest.mark.parametrize("start_method", ["forks", *nightly("new processes")])
def test_stopped_while_another_process_holds_the_lock_it_waits_and_saves_results(
    start_method: str, tmp_path: Path
) -> None:
    folder, output = make(tmp_path / "project", {"dvc.yaml": GATED}), tmp_path / "output"
    with start(folder, "--grace", "1", output=output, environment=START_METHODS[start_method]) as process:
        wait_for((folder / "started").exists)
        waits = f"a: waits for DVC's lock, .dvc/tmp/lock, which process {os.getpid()} ("
        with closing(zc.lockfile.LockFile(str(folder / ".dvc/tmp/lock"))):
            (folder / "go").touch()
            wait_for((folder / "a.txt").exists)
            process.send_signal(signal.SIGINT)
            wait_for(lambda: waits in output.read_text())
            process.send_signal(signal.SIGINT)
            wait_for(lambda: f"Still stopping; no result is lost:\n{waits}" in output.read_text())
            time.sleep(1.5)  # longer than a command would have
            assert process.poll() is None
        assert process.wait(60) == 130
    assert entries(folder) == ["a"]
    assert output.read_text().count(waits) == 2
    assert abreast(folder) == "Everything is up to date.\n"


@pytest.mark.parametrize("start_method", ["forks", *nightly("new processes")])
def test_a_stage_is_stopped_if_packages_are_found_only_by_pythonpath(start_method: str, tmp_path: Path) -> None:
    """The base interpreter of a virtual environment finds none of its packages by itself."""
    folder = make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: touch started; sleep 300, deps: [in.txt]}}"})
    places = [str(Path(package.__file__).parents[1]), *(place for place in sys.path if place.endswith("-packages"))]
    environment = {**ENVIRONMENT, **START_METHODS[start_method], "PYTHONPATH": os.pathsep.join(places)}
    command = [getattr(sys, "_base_executable", sys.executable), "-m", "abreast", "repro"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for((folder / "started").exists)
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=60)
        assert process.returncode == 130, output
    assert not at_work(folder)


@pytest.mark.parametrize("start_method", ["forks", *nightly("new processes")])
def test_a_stage_fails_and_its_command_stops_after_its_dvc_process_is_killed(start_method: str, tmp_path: Path) -> None:
    stages = """
        stages:
          a: {cmd: "echo $PPID > ppid; setsid sleep 300 & echo $! > pid; sleep 300", deps: [in.txt]}
          b: {cmd: "GATE; echo b > b.txt", deps: [in.txt], outs: [b.txt]}
        """.replace("GATE", GATE)
    folder, output = make(tmp_path / "project", {"dvc.yaml": stages}), tmp_path / "output"
    with start(folder, "-j", "2", "--grace", "1", output=output, environment=START_METHODS[start_method]) as process:
        wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
        os.kill(int((folder / "ppid").read_text()), signal.SIGKILL)
        wait_for(lambda: "a: failed" in output.read_text())
        processes = [it.info for it in psutil.process_iter(["cwd", "cmdline"])]
        assert not [it for it in processes if it["cwd"] == str(folder) and "300" in it["cmdline"]]
        (folder / "go").touch()
        assert process.wait(60) == 1
    assert re.search(r"^  error: .* -9, perhaps out of memory$", output.read_text(), re.MULTILINE)
    assert entries(folder) == ["b"]


def test_stages_that_end_together_write_the_gitignore_of_dvc_repro(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(12)]
    stage = "{{cmd: echo {0} > o/{0}.txt, deps: [in.txt], outs: [o/{0}.txt]}}"
    stages = "".join(f"  {name}: {stage.format(name)}\n" for name in names)
    by_abreast = compare_with_dvc(tmp_path, {"dvc.yaml": f"stages:\n{stages}", "o/kept.txt": ""}, "-j", "12")
    assert (by_abreast / "o/.gitignore").read_bytes() == (tmp_path / "by_dvc/o/.gitignore").read_bytes()


def test_the_table_can_be_drawn_while_stages_start_and_end(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(50)]
    schedule = Schedule({name: Task(name, frozenset(), 1) for name in names}, {"cores": 50})
    view = View(schedule, {name: tmp_path / f"{name}.log" for name in names}, Console(stderr=True))
    drawn = threading.Event()

    def change() -> None:
        while not drawn.is_set():
            for name in names:
                schedule.running[name] = time.monotonic()
            for name in names:
                schedule.done[name] = time.monotonic() - schedule.running.pop(name)
            schedule.done.clear()

    thread, interval = threading.Thread(target=change), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            view.table()
    finally:
        drawn.set()
        thread.join()
        sys.setswitchinterval(interval)


def info_of(process: int) -> dict[str, object]:
    """Return what DVC records of a process."""
    return {"pid": process, "cmd": " ".join(["dvc", *psutil.Process(process).cmdline()[1:]])}


def write_rwlock(folder: Path, *processes: int) -> None:
    """Write a rwlock in which running processes read s0.txt."""
    (folder / ".dvc/tmp").mkdir(exist_ok=True)
    rwlock = {"read": {str(folder / "s0.txt"): [info_of(process) for process in processes]}}
    (folder / ".dvc/tmp/rwlock").write_text(json.dumps(rwlock))


@pytest.mark.parametrize("stop", ["INT", *nightly("KILL")])
def test_a_waiting_stage_ends_with_the_run_and_runs_no_command(stop: str, other_program: int, tmp_path: Path) -> None:
    folder = make(tmp_path / "project", slow(0, 1))
    write_rwlock(folder, other_program)
    with start(folder, output=tmp_path / "output") as process:
        wait_for(lambda: "s0: waits for process" in (tmp_path / "output").read_text())
        process.send_signal(getattr(signal, f"SIG{stop}"))
        assert process.wait(20) == (130 if stop == "INT" else -9)
    wait_for(lambda: not at_work(folder), 20)
    assert "Running stage" not in (folder / LOGS / "s0.log").read_text()


def test_after_ctrl_c_no_further_command_of_a_stage_starts(tmp_path: Path) -> None:
    """Although the first command ends with status 0 after Ctrl-C."""
    first = "trap 'exit 0' INT; touch started; sleep 60 & wait"
    folder = make(tmp_path, {"dvc.yaml": f'stages: {{a: {{cmd: ["{first}", "touch second.txt"], deps: [in.txt]}}}}'})
    with start(folder) as process:
        wait_for((folder / "started").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert not (folder / "second.txt").exists()
    assert not entries(folder)


def test_several_blocking_processes_are_named_once_in_one_line(other_program: int, tmp_path: Path) -> None:
    folder = make(tmp_path / "project", slow(0, 1))
    with subprocess.Popen(["sleep", "600"]) as other:
        write_rwlock(folder, other_program, other.pid)
        with start(folder, output=tmp_path / "output") as process:
            wait_for(lambda: "waits for process" in (tmp_path / "output").read_text())
            time.sleep(1)
            (folder / ".dvc/tmp/rwlock").unlink()
            assert process.wait(30) == 0
        other.kill()
    waits = [line for line in (tmp_path / "output").read_text().splitlines() if "waits for" in line]
    assert len(waits) == 1
    assert f"process {other_program}" in waits[0]
    assert f"process {other.pid}" in waits[0]
    assert (folder / LOGS / "s0.log").read_text().count("waits for") == 1


def test_planning_waits_for_the_lock_of_dvc(tmp_path: Path) -> None:
    folder = make(tmp_path / "project", slow(0, 1))
    (folder / ".dvc/tmp").mkdir()
    with closing(zc.lockfile.LockFile(str(folder / ".dvc/tmp/lock"))):
        process = start(folder, output=tmp_path / "output")
        wait_for(lambda: "abreast waits for DVC's lock" in (tmp_path / "output").read_text())
    assert process.wait(30) == 0
    assert entries(folder) == ["s0"]


def test_a_run_continues_after_the_reader_of_its_output_ends(other_program: int, tmp_path: Path) -> None:
    folder = make(tmp_path, slow(0, 3))
    write_rwlock(folder, other_program)
    command = ["abreast", "repro", "-j", "1"]
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        process.stderr.readline()
        process.stderr.close()
        time.sleep(0.5)
        (folder / ".dvc/tmp/rwlock").unlink()
        assert process.wait(30) == 0
    assert len(entries(folder)) == 3
