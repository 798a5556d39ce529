"""The table and the lines that show the progress of a run."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from abreast.run.live import View, duration, last_line
from abreast.run.schedule import Schedule, Task


@pytest.mark.parametrize(("seconds", "text"), [(8, "8 s"), (65.4, "1:05 min"), (7390, "2:03:10 h")])
def test_durations_are_formatted(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_table_shows_running_stages_and_the_remaining_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abreast.run.live.time.monotonic", lambda: 1000.0)
    log = tmp_path / "train@base.log"
    log.write_text("adam epoch 2: 40%, 9 s left in it\n\n")
    plan = Schedule({"train@base": Task("train@base", frozenset(), 30)}, {"cores": 2}, running={"train@base": 995.0})
    console = Console(file=io.StringIO(), force_terminal=True, width=100, record=True)
    console.print(View(plan, {"train@base": log}, console).table())
    running, whole = console.export_text().splitlines()
    assert " ".join(running.split()) == "train@base 5 s adam epoch 2: 40%, 9 s left in it"
    assert " ".join(whole.split()) == "all 0 s 0 of 1, about 25 s left"


def test_a_missing_log_has_no_last_line(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") == ""


def test_terminal_codes_are_removed_from_the_last_line_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "bars.log").write_text("\x1b[A\x1b[2Jepoch 3\x1b[0m\n")
    assert last_line(tmp_path / "bars.log") == "epoch 3"
