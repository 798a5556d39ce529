"""Draw what a terminal shows during `abreast repro`, as docs/live.svg.

  python docs/picture.py

The run is made up: its stages, their times and the last lines of their logs stand here. The view is the real one.
"""

import io
import re
import tempfile
import time
from pathlib import Path

from rich.console import Console

from abreast.run.live import View
from abreast.run.schedule import Schedule, Task

PICTURE = Path(__file__).with_name("live.svg")
MODELS = {"linear": 12, "forest": 48, "boosting": 75, "network": 96}  # seconds of each training
DONE: dict[str, float] = {"prepare": 21, "train@linear": 12, "evaluate@linear": 3}
RUNNING: dict[str, tuple[float, str]] = {  # seconds so far, and the last line of the log
    "train@network": (41, "network: epoch 9 of 20, loss 0.412, accuracy 0.874"),
    "train@boosting": (41, "boosting: 310 of 600 trees, loss 0.387"),
    "train@forest": (29, "forest: 240 of 400 trees"),
}
BEGUN = 62  # seconds ago
WIDTH = 84  # characters
WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # a picture in a page loads nothing from elsewhere


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor", legacy_windows=False)
    with tempfile.TemporaryDirectory() as folder:
        logs = {name: Path(folder, f"{name}.log") for name in schedule().tasks}
        for name, (_, line) in RUNNING.items():
            logs[name].write_text(f"{line}\n", encoding="utf-8")
        console.print("[bold green]$[/] abreast repro -j 4", highlight=False)
        say_what_is_done(logs, console)
        view = View(schedule(done=DONE, running=RUNNING), logs, console)
        view.started = time.monotonic() - BEGUN
        console.print(view.table())
    PICTURE.write_text(WEB_FONTS.sub("", console.export_svg(title="", unique_id="live")), encoding="utf-8")


def schedule(done: dict[str, float] | None = None, running: dict[str, tuple[float, str]] | None = None) -> Schedule:
    """Give the schedule of the run at a moment."""
    training = [Task(f"train@{name}", frozenset({"prepare"}), seconds) for name, seconds in MODELS.items()]
    evaluating = [Task(f"evaluate@{name}", frozenset({f"train@{name}"}), 3) for name in MODELS]
    report = Task("report", frozenset(task.name for task in evaluating), 2)
    tasks = [Task("prepare", frozenset(), 20), *training, *evaluating, report]
    since = {name: time.monotonic() - seconds for name, (seconds, _) in (running or {}).items()}
    return Schedule({task.name: task for task in tasks}, {"cores": 4}, running=since, done=dict(done or {}))


def say_what_is_done(logs: dict[str, Path], console: Console) -> None:
    """Print the lines that stand above the table, as they were at the end of each stage."""
    done: dict[str, float] = {}
    for name, seconds in DONE.items():
        done[name] = seconds
        View(schedule(done=done), logs, console).look("done", name)


if __name__ == "__main__":
    main()
