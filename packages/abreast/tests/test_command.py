"""`abreast repro` and `dvc repro` on small projects: the same bytes in dvc.lock and all outputs."""

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from dvc_project import (
    FAILING,
    LOGS,
    abreast,
    abreast_in_process,
    at_work,
    entries,
    make,
    nightly,
    ran,
    results,
    run,
    slow,
    start,
    wait_for,
)

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

MANY_FEATURES = {
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
          all: {cmd: python join.py cross all.txt, deps: [cross], outs: [all.txt]}
          last: {cmd: python join.py more/b.txt last.txt, deps: [more/b.txt], outs: [last.txt]}
          there: {wdir: some/where, cmd: cp ../../in.txt out.txt, deps: [../../in.txt], outs: [out.txt]}
          no_outs: {cmd: cat some/where/out.txt, deps: [some/where/out.txt]}
          always: {cmd: python join.py in.txt always.txt, always_changed: true, outs: [always.txt]}
          after: {cmd: python join.py frozen.txt after.txt, deps: [frozen.txt], outs: [after.txt]}
          frozen: {cmd: python join.py always.txt frozen.txt, deps: [always.txt], outs: [frozen.txt], frozen: true}
          listed:
            cmd: ["python join.py in.txt one.txt", "python join.py one.txt two.json"]
            deps: [in.txt]
            outs: [one.txt: {cache: false, persist: true}]
            metrics: [two.json: {cache: false}]
        """,
    "more/dvc.yaml": """
        stages:
          b: {cmd: python ../join.py a.txt b.txt, deps: [a.txt], outs: [b.txt]}
          a: {cmd: python ../join.py ../in.txt a.txt, deps: [../in.txt], outs: [a.txt]}
        """,
    "params.yaml": "letters: {c: 1, a: 2, b: 3}",
    "some/where/kept.txt": "",
    "frozen.txt": "made by hand\n",
}
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


@pytest.mark.parametrize("feature", ["many features", *nightly(*PROJECTS)])
def test_all_files_are_those_of_dvc_repro_in_a_first_run_and_after_a_change(feature: str, tmp_path: Path) -> None:
    by_dvc = make(tmp_path / "by_dvc", PROJECTS.get(feature, MANY_FEATURES))
    by_abreast = shutil.copytree(by_dvc, tmp_path / "by_abreast")
    for content in ("in\n", "changed\n"):
        for folder in (by_dvc, by_abreast):
            (folder / "in.txt").write_text(content)
        run(by_dvc, "dvc", "repro")
        abreast(by_abreast, "-j", "4")
        assert results(by_abreast) == results(by_dvc)


def test_all_files_are_those_of_dvc_repro_with_dvc_files(tmp_path: Path) -> None:
    files = {
        "data.txt": "data\n",
        "dvc.yaml": """
            stages:
              b: {cmd: python join.py data.txt b.txt, deps: [data.txt], outs: [b.txt]}
              a: {cmd: python join.py data.txt a.txt, deps: [data.txt], outs: [a.txt]}
            """,
    }
    by_dvc = make(tmp_path / "by_dvc", files)
    run(by_dvc, "dvc", "add", "--quiet", "data.txt")
    by_abreast = shutil.copytree(by_dvc, tmp_path / "by_abreast")
    for folder in (by_dvc, by_abreast):
        (folder / "data.txt").unlink()
        (folder / "data.txt").write_text("other data\n")
    run(by_dvc, "dvc", "repro")
    abreast(by_abreast, "-j", "4")
    assert results(by_abreast) == results(by_dvc)


def test_cores_that_are_not_a_number_are_an_error_of_one_line(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(0, 2, s1=", meta: {cores: two}"))
    assert (
        abreast_in_process(folder, "repro", "--dry", status=2)
        == "error: dvc.yaml: s1: meta.cores: 'two' is not an integer of at least 1\n"
    )


def test_targets_downstream_force_and_dry_select_the_stages(tmp_path: Path) -> None:
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
    assert (
        abreast_in_process(folder, "repro", "--dry", "b")
        == "a: python join.py in.txt a.txt\nb: python join.py a.txt b.txt\n"
    )
    assert not (folder / "a.txt").exists()
    assert ran(abreast(folder, "b")) == {"a", "b"}
    assert ran(abreast(folder, "c")) == {"c@x", "c@y"}
    assert abreast_in_process(folder, "repro", "--dry") == "Everything is up to date.\n"
    (folder / "in.txt").write_text("changed\n")
    assert ran(abreast(folder, "--downstream", "b")) == set()
    assert ran(abreast(folder, "--force", "--downstream", "b")) == {"b", "c@x", "c@y"}
    assert ran(abreast(folder, "--force", "a")) == {"a"}
    assert "error: Stage 'd' not found inside 'dvc.yaml' file" in abreast_in_process(
        folder, "repro", "--dry", "d", status=2
    )


def test_a_folder_outside_of_a_project_is_an_error_of_one_line(tmp_path: Path) -> None:
    output = abreast_in_process(tmp_path, "repro", status=2)
    assert output.startswith("error: you are not inside of a DVC repository")
    assert len(output.splitlines()) == 1


def test_a_failed_stage_stops_only_its_dependents(tmp_path: Path) -> None:
    folder = make(tmp_path, FAILING)
    output = abreast(folder, status=1)
    assert f"bad failed. The end of {LOGS}/bad.log:" in output
    assert "  it broke" in output
    assert "1 stage done, 1 failed, 1 not run because they depend on failed ones" in output
    assert entries(folder) == ["good"]


INTERRUPTED = """
import os, signal
from dvc.stage import PipelineStage
from abreast.plan.stages import Selection, make_plan

checked = []

def changed(stage, **_):
    os.kill(os.getpid(), signal.SIGINT)
    checked.append(stage.name)
    return True

PipelineStage.changed = changed
try:
    make_plan(Selection())
except KeyboardInterrupt:
    print(len(checked), "checked")
"""


def test_ctrl_c_waits_until_dvc_has_checked_a_stage(tmp_path: Path) -> None:
    """Interrupted while it writes the rwlock, DVC would leave the id of this process in it."""
    assert run(make(tmp_path, slow(0, 2)), "python", "-c", INTERRUPTED) == "1 checked\n"


STOPS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("stop", ["INT", *nightly("TERM", "KILL")])
def test_stopped_at_any_moment_it_leaves_no_process_and_loses_no_entry(stop: str, tmp_path: Path) -> None:
    """Fourteen short stages: DVC writes its lock most of the time."""
    number, status = STOPS[stop]
    folder = make(tmp_path, slow(0.1, 14))
    before: list[str] = []
    for started in (4, 9):
        with start(folder, "-j", "3") as process:
            wait_for(lambda started=started: len(list(folder.glob(f"{LOGS}/s*.log"))) >= started)
            process.send_signal(number)
            assert process.wait(90) == status
        wait_for(lambda: not at_work(folder))
        lock_entries = entries(folder)
        finished = {log.stem for log in folder.glob(f"{LOGS}/s*.log") if "Updating lock file" in log.read_text()}
        assert finished | set(before) <= set(lock_entries)
        assert lock_entries[: len(before)] == before
        before = lock_entries
    abreast(folder, "-j", "3")
    assert len(entries(folder)) == 14
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"


def test_a_second_run_in_the_same_project_is_an_error_of_one_line(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(0.5, 3))
    with start(folder, "-j", "1") as process:
        wait_for(lambda: list(folder.glob(f"{LOGS}/*.log")))
        refused = abreast(folder, status=2)
        assert re.fullmatch(
            rf"error: another run is active in this project \(process {process.pid}\); wait for it, or stop it\n",
            refused,
        )
        assert process.wait(60) == 0
    assert len(entries(folder)) == 3


@pytest.mark.nightly
def test_a_stage_waits_for_a_dvc_repro_that_runs_it(tmp_path: Path) -> None:
    folder = make(tmp_path, slow(4, 2))
    with start(folder, "-j", "1") as process:
        wait_for(lambda: list(folder.glob(f"{LOGS}/*.log")))
        first = next(folder.glob(f"{LOGS}/*.log")).stem
        other = next(name for name in ("s0", "s1") if name != first)
        assert "Running stage" in run(folder, "dvc", "--wait-for-lock", "repro", "--single-item", other)
        assert process.wait(60) == 0
    assert sorted(entries(folder)) == ["s0", "s1"]
    assert "didn't change" in (folder / f"{LOGS}/{other}.log").read_text()


def test_a_command_that_ignores_ctrl_c_is_killed_and_a_second_ctrl_c_changes_nothing(tmp_path: Path) -> None:
    stubborn = """
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("here", flush=True)
        time.sleep(300)
        """
    dvc = "stages: {s: {cmd: python stubborn.py, deps: [in.txt]}}"
    folder = make(tmp_path, {"stubborn.py": stubborn, "dvc.yaml": dvc})
    log = folder / LOGS / "s.log"
    with start(folder, "--grace", "1") as process:
        wait_for(lambda: log.exists() and "here" in log.read_text())
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert process.wait(60) == 130
    assert not at_work(folder)
