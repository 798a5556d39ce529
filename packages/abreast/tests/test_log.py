"""`abreast log`: what each stage of a run took, as a table, as JSON and as a picture."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from abreast.run import history
from dvc_project import DURATIONS, FAILING, abreast, abreast_in_process, make, run

BUSY = """
import time
block = bytearray(200_000_000)
end = time.process_time() + 1
while time.process_time() < end: pass
open("busy.txt", "w").close()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran: one stage computes for a second, one waits for a second, one fails."""
    stages = """
        stages:
          busy: {cmd: python busy.py, deps: [in.txt], outs: [busy.txt]}
          waits: {cmd: sleep 1 && echo x > waits.txt, deps: [in.txt], outs: [waits.txt]}
          bad: {cmd: "false", deps: [busy.txt, waits.txt], outs: [bad.txt]}
        """
    folder = make(tmp_path_factory.mktemp("log"), {"dvc.yaml": stages, "busy.py": BUSY})
    abreast(folder, "-j", "2", status=1)
    return folder


def test_seconds_processor_seconds_and_memory_are_those_of_each_stage(project: Path) -> None:
    records = {record["stage"]: record for record in json.loads(abreast_in_process(project, "log", "--json"))}
    assert {name: record["outcome"] for name, record in records.items()} == {
        "busy": "done",
        "waits": "done",
        "bad": "failed",
    }
    assert 1 <= records["busy"]["cpu"] < records["busy"]["seconds"] + 1
    assert records["busy"]["memory"] > 200e6
    assert records["waits"]["cpu"] < 0.5 < 1 <= records["waits"]["seconds"]


def test_a_table_has_a_row_for_each_stage_and_one_for_all(project: Path) -> None:
    rows = [line.split() for line in run(project, "abreast", "log").splitlines()]
    assert [row[0] for row in rows[2:]][-1] == "all"
    assert {row[0] for row in rows[2:]} == {"busy", "waits", "bad", "all"}
    assert rows[1] == ["stage", "start", "wall", "processor", "memory", "outcome"]


def test_the_timeline_has_a_bar_for_each_stage(project: Path, tmp_path: Path) -> None:
    abreast_in_process(project, "log", "--svg", str(tmp_path / "run.svg"))
    drawing = ET.fromstring((tmp_path / "run.svg").read_text())
    titles = [title.text or "" for title in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert {text.split(":")[0] for text in titles[1:]} == {"busy", "waits", "bad"}


def test_a_former_run_can_be_shown_and_one_that_is_not_kept_is_refused(project: Path) -> None:
    abreast(project, "busy", "--force")
    assert {record["stage"] for record in json.loads(abreast_in_process(project, "log", "--json"))} == {"busy"}
    assert "waits" in run(project, "abreast", "log", "--back", "1")
    refused = abreast_in_process(project, "log", "--back", "2", status=2)
    assert refused == "error: no run to show; 2 are kept; `abreast repro` starts one\n"


def test_a_project_without_a_run_is_an_error_of_one_line(tmp_path: Path) -> None:
    make(tmp_path, FAILING)
    assert abreast_in_process(tmp_path, "log", status=2) == "error: no run to show; `abreast repro` starts one\n"


def test_a_stage_from_the_run_cache_keeps_the_duration_of_its_run(tmp_path: Path) -> None:
    make(tmp_path, {"dvc.yaml": "stages: {a: {cmd: sleep 0.5 && cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}}"})
    abreast(tmp_path)
    (tmp_path / "a.txt").unlink()
    (tmp_path / "dvc.lock").unlink()
    abreast(tmp_path)
    (record,) = json.loads(abreast_in_process(tmp_path, "log", "--json"))
    assert record["outcome"] == "cached"
    assert json.loads((tmp_path / DURATIONS).read_text())["a"]["seconds"] >= 0.5


def test_only_the_last_runs_are_kept_and_an_incomplete_line_is_skipped(tmp_path: Path) -> None:
    (tmp_path / history.FOLDER).mkdir(parents=True)
    for number in range(history.RUNS + 5):
        history.append(tmp_path, history.Record(number, "a", number, 1, 1, 1, "done"))
    with (tmp_path / history.FILE).open("a") as file:
        file.write('{"run": 3')
    history.drop_old_runs(tmp_path)
    assert [record.run for record in history.read(tmp_path)] == list(range(5, history.RUNS + 5))
