"""Show the stages that run side by side: a table that follows them in a terminal, lines elsewhere."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.run.schedule import Schedule

HEARTBEAT = 60  # seconds of silence after which a line says what runs
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # of progress bars that move the cursor
STARTED_IN = Path.cwd()  # from where the user sees files, wherever the run goes


class View:
    """Told by a run what happens; `logs` gives the file that a stage writes to."""

    def __init__(self, schedule: Schedule, logs: dict[str, Path], console: Console) -> None:
        self.schedule, self.logs, self.console = schedule, logs, console
        self.about = ""  # what else the run goes on
        self.started = self.spoke = time.monotonic()
        self.live = (
            Live(console=console, get_renderable=self.table, refresh_per_second=2) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def look(self, event: str, name: str) -> None:
        """Say what happened; at a tick, what runs, if nothing was said for a minute and no table shows it."""
        if event == "done":
            self.say(f"{name}: done in {duration(self.schedule.done[name])}; {self.summary()}")
        elif event == "unchanged":
            self.say(f"{name}: did not change; {self.summary()}")
        elif event == "failed":
            self.say(f"{name}: failed; its log: {self.shown(self.logs[name])}")
        elif event == "started" and not self.live:
            self.say(f"{name}: started")
        elif not event and not self.live and time.monotonic() - self.spoke > HEARTBEAT:
            for running in list(self.schedule.running):
                self.say(f"{running}: {last_line(self.logs[running]) or 'running'}")

    def say(self, text: str) -> None:
        with suppress(OSError, SystemExit):  # nobody reads it any more: the stages go on
            self.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self.spoke = time.monotonic()

    def shown(self, path: Path) -> str:
        """Name a file as the user finds it."""
        return os.path.relpath(path, STARTED_IN)

    def summary(self) -> str:
        """Count what is done and estimate what is left."""
        schedule = self.schedule
        counts = f"{len(schedule.done)} of {len(schedule.tasks)}"
        if schedule.failed:
            counts += f", {len(schedule.failed)} failed"
        return f"{counts}, about {duration(schedule.seconds_left())} left"

    def table(self) -> Table:
        """Draw a row for each running stage and one for the whole."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        now = time.monotonic()
        for name, since in list(self.schedule.running.items()):
            line = last_line(self.logs[name]).removeprefix(name.partition("@")[2]).lstrip(": ")
            table.add_row(Text(name, "bold"), duration(now - since), Text(line, "dim"))
        about = ", ".join(filter(None, [self.summary(), self.about]))
        table.add_row(Text("all", "bold"), duration(now - self.started), Text(about))
        return table


def end_of(log: Path, lines: int) -> list[str]:
    """Give the last lines of a log that say something."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 2000 * lines, 0))
        text = ESCAPE.sub("", file.read().decode("utf-8", "replace"))
    return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()][-lines:]


def last_line(log: Path) -> str:
    """Give the last line of a log that says something, or nothing."""
    return "".join(end_of(log, 1)).strip()


def duration(seconds: float) -> str:
    """Write a time as people say it: 8 s, 1:05 min, 2:03:10 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02} h"
