import io
from pathlib import Path

import pytest
from rich.console import Console

from abreast.run.live import View, duration, last_line
from abreast.run.schedule import Schedule, Task


@pytest.mark.parametrize(("seconds", "text"), [(8, "8 s"), (65.4, "1:05 min"), (7390, "2:03:10 h")])
def test_times_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_terminal_shows_what_runs_how_far_it_is_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abreast.run.live.time.monotonic", lambda: 1000.0)
    log = tmp_path / "train@base.log"
    log.write_text("base adam epoch 2: 40%, 9 s left in it\n\n")
    plan = Schedule({"train@base": Task("train@base", frozenset(), 30)}, {"cores": 2}, running={"train@base": 995.0})
    console = Console(file=io.StringIO(), force_terminal=True, width=100, record=True)
    console.print(View(plan, {"train@base": log}, console).table())
    running, whole = console.export_text().splitlines()
    assert " ".join(running.split()) == "train@base 5 s adam epoch 2: 40%, 9 s left in it"
    assert " ".join(whole.split()) == "all 0 s 0 of 1, about 25 s left"


def test_a_log_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") == ""


def test_what_moves_the_cursor_is_left_out_of_a_log_s_last_line(tmp_path: Path) -> None:
    (tmp_path / "bars.log").write_text("\x1b[A\x1b[2Jepoch 3\x1b[0m\n")
    assert last_line(tmp_path / "bars.log") == "epoch 3"
