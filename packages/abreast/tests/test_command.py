"""`abreast repro` beside `dvc repro`, on small projects: the same bytes in every lock and every result."""

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from dvc_project import FAILING, LOGS, abreast, at_work, entries, make, ran, results, run, slow, start, wait_for

PROJECTS = {
    "foreach and matrix": {
        "dvc.yaml": """
            stages:
              each:
                foreach: ${letters}
                do:
                  cmd: python join.py in.txt each/${key}.txt
                  deps: [in.txt]
                  params: ["letters.${key}"]
                  outs: ["each/${key}.txt"]
              cross:
                matrix: {letter: [a, b], number: [1, 2]}
                cmd: python join.py each/${item.letter}.txt cross/${key}.txt
                deps: ["each/${item.letter}.txt"]
                outs: ["cross/${key}.txt"]
            """,
        "params.yaml": "letters: {c: 1, a: 2, b: 3}",
    },
    "several dvc.yaml files": {
        "dvc.yaml": "stages: {last: {cmd: python join.py more/b.txt last.txt, deps: [more/b.txt], outs: [last.txt]}}",
        "more/dvc.yaml": """
            stages:
              b: {cmd: python ../join.py a.txt b.txt, deps: [a.txt], outs: [b.txt]}
              a: {cmd: python ../join.py ../in.txt a.txt, deps: [../in.txt], outs: [a.txt]}
            """,
    },
    "wdir": {
        "dvc.yaml": """
            stages:
              there:
                wdir: some/where
                cmd: python ../../join.py ../../in.txt out.txt
                deps: [../../in.txt]
                outs: [out.txt]
              here: {cmd: python join.py some/where/out.txt here.txt, deps: [some/where/out.txt], outs: [here.txt]}
            """,
        "some/where/kept.txt": "",
    },
    "a stage without outputs": {
        "dvc.yaml": """
            stages:
              b: {cmd: cat in.txt, deps: [in.txt]}
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt]}
            """,
    },
    "always_changed": {
        "dvc.yaml": """
            stages:
              b: {cmd: python join.py in.txt b.txt, always_changed: true, outs: [b.txt]}
              a: {cmd: python join.py b.txt a.txt, deps: [b.txt], outs: [a.txt]}
            """,
    },
    "frozen": {
        "dvc.yaml": """
            stages:
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt]}
              c: {cmd: python join.py b.txt c.txt, deps: [b.txt], outs: [c.txt]}
              b: {cmd: python join.py a.txt b.txt, deps: [a.txt], outs: [b.txt], frozen: true}
            """,
        "b.txt": "made by hand\n",
    },
    "frozen, before what it reads": {
        "dvc.yaml": """
            stages:
              f: {cmd: cp a.txt f.txt, deps: [a.txt], outs: [f.txt], frozen: true}
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt]}
            """,
        "a.txt": "made by hand\n",
        "f.txt": "made by hand\n",
    },
    "a list of commands": {
        "dvc.yaml": """
            stages:
              b:
                cmd: ["python join.py in.txt one.txt", "python join.py one.txt b.txt"]
                deps: [in.txt]
                outs: [one.txt, b.txt]
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt]}
            """,
    },
    "another stage's folder": {
        "dvc.yaml": """
            stages:
              all: {cmd: python join.py parts all.txt, deps: [parts], outs: [all.txt]}
              two: {cmd: python join.py in.txt parts/two.txt, deps: [in.txt], outs: [parts/two.txt]}
              one: {cmd: python join.py in.txt parts/one.txt, deps: [in.txt], outs: [parts/one.txt]}
            """,
    },
    "metrics and params": {
        "dvc.yaml": """
            stages:
              b:
                cmd: python join.py in.txt b.json
                deps: [in.txt]
                params: [letters]
                metrics: [b.json: {cache: false}]
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt: {cache: false, persist: true}]}
            """,
        "params.yaml": "letters: {c: 1, a: 2, b: 3}",
    },
}


@pytest.mark.parametrize("feature", PROJECTS)
def test_it_agrees_with_dvc_repro_to_the_byte_at_first_and_after_a_change(feature: str, tmp_path: Path) -> None:
    plain = make(tmp_path / "plain", PROJECTS[feature])
    ours = shutil.copytree(plain, tmp_path / "ours")
    for content in ("in\n", "changed\n"):
        for folder in (plain, ours):
            (folder / "in.txt").write_text(content)
        run(plain, "dvc", "repro")
        abreast(ours, "-j", "4")
        assert results(ours) == results(plain)


def test_it_agrees_with_dvc_repro_on_dvc_files(tmp_path: Path) -> None:
    files = {
        "data.txt": "data\n",
        "dvc.yaml": """
            stages:
              b: {cmd: python join.py data.txt b.txt, deps: [data.txt], outs: [b.txt]}
              a: {cmd: python join.py data.txt a.txt, deps: [data.txt], outs: [a.txt]}
            """,
    }
    plain = make(tmp_path / "plain", files)
    run(plain, "dvc", "add", "--quiet", "data.txt")
    ours = shutil.copytree(plain, tmp_path / "ours")
    for folder in (plain, ours):
        (folder / "data.txt").unlink()
        (folder / "data.txt").write_text("other data\n")
    run(plain, "dvc", "repro")
    abreast(ours, "-j", "4")
    assert results(ours) == results(plain)


def test_a_stage_that_fills_two_cores_runs_alone_on_two(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(1.0, 3, s1=", meta: {cores: 2}"))
    output = abreast(folder, "-j", "2")
    lines = [line for line in output.splitlines() if re.match(r"s\d: (started|done)", line)]
    assert [line.split(";")[0].split(" in ")[0] for line in lines[:2]] == ["s1: started", "s1: done"]


def test_cores_that_are_no_number_are_refused_in_a_line(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(0, 2, s1=", meta: {cores: two}"))
    assert abreast(folder, status=2) == "error: dvc.yaml: s1: meta.cores: 'two' is not a whole number from 1\n"


def test_a_project_is_run_from_its_targets_up_down_by_force_or_not_at_all(tmp_path: Path) -> None:
    files = {
        "dvc.yaml": """
            stages:
              a: {cmd: python join.py in.txt a.txt, deps: [in.txt], outs: [a.txt]}
              b: {cmd: python join.py a.txt b.txt, deps: [a.txt], outs: [b.txt]}
              c:
                foreach: [x, y]
                do: {cmd: "python join.py b.txt c${item}.txt", deps: [b.txt], outs: ["c${item}.txt"]}
            """
    }
    folder = make(tmp_path, files)
    assert abreast(folder, "--dry", "b") == "a: python join.py in.txt a.txt\nb: python join.py a.txt b.txt\n"
    assert not (folder / "a.txt").exists()
    assert ran(abreast(folder, "b")) == {"a", "b"}
    assert ran(abreast(folder, "c")) == {"c@x", "c@y"}
    assert abreast(folder) == "Everything is up to date.\n"
    (folder / "in.txt").write_text("changed\n")
    assert ran(abreast(folder, "--downstream", "b")) == set()
    assert ran(abreast(folder, "--force", "--downstream", "b")) == {"b", "c@x", "c@y"}
    assert ran(abreast(folder, "--force", "a")) == {"a"}
    assert "error: Stage 'd' not found inside 'dvc.yaml' file" in abreast(folder, "d", status=2)


def test_outside_of_a_dvc_project_it_says_so_in_a_line(tmp_path: Path) -> None:
    output = abreast(tmp_path, status=2)
    assert output.startswith("error: you are not inside of a DVC repository")
    assert len(output.splitlines()) == 1


def test_notes_of_dvc_that_are_damaged_are_named_in_a_line(tmp_path: Path) -> None:
    project, notes = make(tmp_path / "project", FAILING), tmp_path / "notes"
    there = {"DVC_SITE_CACHE_DIR": str(notes)}
    run(project, "dvc", "status", status=None, environment=there)
    for database in notes.glob("repo/*/*/cache.db"):
        database.write_bytes(b"no database" * 1000)
    said = run(project, "abreast", "repro", status=2, environment=there)
    assert said == (
        "error: DVC's notes of files cannot be read (file is not a database); "
        f"try again, or delete {notes}, which loses nothing\n"
    )
    shutil.rmtree(notes)
    assert "bad failed" in run(project, "abreast", "repro", status=1, environment=there)


def test_a_failing_stage_stops_what_needs_it_alone(tmp_path: Path) -> None:
    folder = make(tmp_path, FAILING)
    output = abreast(folder, status=1)
    assert f"bad failed. The end of {LOGS}/bad.log:" in output
    assert "  it broke" in output
    assert "1 stage done, 1 failed, 1 not run since they need those" in output
    assert entries(folder) == ["good"]


INTERRUPTED = """
import os, signal
from dvc.stage import PipelineStage
from abreast.plan.stages import Selection, plan

looked = []

def changed(stage, **_):
    os.kill(os.getpid(), signal.SIGINT)
    looked.append(stage.name)
    return True

PipelineStage.changed = changed
try:
    plan(Selection())
except KeyboardInterrupt:
    print(len(looked), "looked at")
"""


def test_ctrl_c_waits_until_dvc_has_looked_at_a_stage(tmp_path: Path) -> None:
    """Interrupted while it notes which files it reads, DVC would leave notes that no later run can read."""
    assert run(make(tmp_path, slow(0, 2)), "python", "-c", INTERRUPTED) == "1 looked at\n"


STOPS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("stop", STOPS)
def test_stopped_at_any_moment_it_leaves_no_process_and_loses_no_entry(stop: str, tmp_path: Path) -> None:
    """Fourteen stages that end within moments of each other, so that DVC writes its lock most of the time."""
    number, status = STOPS[stop]
    folder = make(tmp_path, slow(0.1, 14))
    before: list[str] = []
    for begun in (4, 9):
        with start(folder, "-j", "3") as process:
            wait_for(lambda begun=begun: len(list(folder.glob(f"{LOGS}/s*.log"))) >= begun)
            process.send_signal(number)
            assert process.wait(90) == status
        wait_for(lambda: not at_work(folder))
        there = entries(folder)
        finished = {log.stem for log in folder.glob(f"{LOGS}/s*.log") if "Updating lock file" in log.read_text()}
        assert finished | set(before) <= set(there)
        assert there[: len(before)] == before
        before = there
    abreast(folder, "-j", "3")
    assert len(entries(folder)) == 14
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"


def test_a_second_run_in_the_same_project_is_refused_in_a_line(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(1, 3))
    with start(folder, "-j", "1") as process:
        wait_for(lambda: list(folder.glob(f"{LOGS}/*.log")))
        refused = abreast(folder, status=2)
        assert re.fullmatch(
            rf"error: another run is at work here \(process {process.pid}\); wait for its end, or stop it\n", refused
        )
        assert process.wait(60) == 0
    assert len(entries(folder)) == 3


def test_a_stage_waits_for_a_dvc_repro_that_is_at_work_on_it(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(4, 2))
    with start(folder, "-j", "1") as process:
        wait_for(lambda: list(folder.glob(f"{LOGS}/*.log")))
        first = next(folder.glob(f"{LOGS}/*.log")).stem
        other = next(name for name in ("s0", "s1") if name != first)
        assert "Running stage" in run(folder, "dvc", "--wait-for-lock", "repro", "--single-item", other)
        assert process.wait(60) == 0
    assert sorted(entries(folder)) == ["s0", "s1"]
    assert "didn't change" in (folder / f"{LOGS}/{other}.log").read_text()


def test_a_stage_that_does_not_heed_ctrl_c_is_killed_and_a_second_one_breaks_nothing_off(tmp_path: Path) -> None:
    stubborn = """
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("here", flush=True)
        time.sleep(300)
        """
    dvc = "stages: {s: {cmd: python stubborn.py, deps: [in.txt]}}"
    folder = make(tmp_path, {"stubborn.py": stubborn, "dvc.yaml": dvc})
    log = folder / LOGS / "s.log"
    with start(folder, "--grace", "3") as process:
        wait_for(lambda: log.exists() and "here" in log.read_text())
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(1)
        assert process.wait(60) == 130
    assert not at_work(folder)
