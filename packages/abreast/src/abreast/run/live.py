"""Show the progress of a run: a table in a terminal, lines of text elsewhere."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.run.schedule import Schedule

HEARTBEAT = 60  # seconds without output after which the running stages are listed
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # terminal codes of progress bars
INITIAL_FOLDER = Path.cwd()  # paths are shown relative to it, whatever folder the run changes to


class View:
    """Shows what happens in a run. logs: the log file of each stage."""

    def __init__(self, schedule: Schedule, logs: dict[str, Path], console: Console) -> None:
        self.schedule, self.logs, self.console = schedule, logs, console
        self.cluster = ""  # a description of the cluster, if there is one
        self.started = self.last_output = time.monotonic()
        self.live = (
            Live(console=console, get_renderable=self.table, refresh_per_second=2) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def on_event(self, event: str, name: str) -> None:
        """Print an event of a stage; without an event and a table, list the running stages once a minute."""
        if event == "done":
            self.print(f"{name}: done in {duration(self.schedule.done[name])}; {self.summary()}")
        elif event == "unchanged":
            self.print(f"{name}: did not change; {self.summary()}")
        elif event == "failed":
            self.print(f"{name}: failed; its log: {self.relative(self.logs[name])}")
        elif event == "started" and not self.live:
            self.print(f"{name}: started")
        elif not event and not self.live and time.monotonic() - self.last_output > HEARTBEAT:
            for running in list(self.schedule.running):
                self.print(f"{running}: {last_line(self.logs[running]) or 'running'}")

    def print(self, text: str) -> None:
        with suppress(OSError, SystemExit):  # the reader of a pipe has ended: the stages still run
            self.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self.last_output = time.monotonic()

    def relative(self, path: Path) -> str:
        """Return a path as seen from the folder in which abreast was started."""
        return os.path.relpath(path, INITIAL_FOLDER)

    def summary(self) -> str:
        """Count the finished stages, and estimate the remaining time."""
        schedule = self.schedule
        counts = f"{len(schedule.done)} of {len(schedule.tasks)}"
        if schedule.failed:
            counts += f", {len(schedule.failed)} failed"
        return f"{counts}, about {duration(schedule.seconds_left())} left"

    def table(self) -> Table:
        """Make a table with a row for each running stage and one for the run."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        now = time.monotonic()
        for name, started in list(self.schedule.running.items()):
            table.add_row(Text(name, "bold"), duration(now - started), Text(last_line(self.logs[name]), "dim"))
        summary = ", ".join(filter(None, [self.summary(), self.cluster]))
        table.add_row(Text("all", "bold"), duration(now - self.started), Text(summary))
        return table


def end_of(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log that are not blank, without terminal codes.

    >>> end_of(Path(".dvc/tmp/abreast/logs/train.log"), 1)
    ['epoch 9 of 20, loss 0.412']
    """
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 2000 * lines, 0))
        text = ESCAPE.sub("", file.read().decode("utf-8", "replace"))
    return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()][-lines:]


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank, or an empty string."""
    return "".join(end_of(log, 1)).strip()


def duration(seconds: float) -> str:
    """Format a duration: 8 s, 1:05 min, 2:03:10 h."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02} h"
