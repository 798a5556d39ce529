"""Draw docs/live.svg: a terminal during `abreast repro`.

  python docs/picture.py

Stages, times and log lines are constants of this file. The view is that of abreast.
"""

import io
import re
import tempfile
import time
from pathlib import Path

from rich.console import Console

from abreast.run.live import View
from abreast.run.schedule import Schedule, Task

SVG = Path(__file__).with_name("live.svg")
MODELS = {"linear": 12, "forest": 48, "boosting": 75, "network": 96}  # seconds of each training
DONE: dict[str, float] = {"prepare": 21, "train@linear": 12, "evaluate@linear": 3}
RUNNING: dict[str, tuple[float, str]] = {  # seconds so far, and the last line of the log
    "train@network": (41, "epoch 9 of 20, loss 0.412, accuracy 0.874"),
    "train@boosting": (41, "310 of 600 trees, loss 0.387"),
    "train@forest": (29, "240 of 400 trees"),
}
ELAPSED = 62  # seconds since the start of the run
WIDTH = 84  # characters
WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # a picture in a web page must not load fonts


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor", legacy_windows=False)
    with tempfile.TemporaryDirectory() as folder:
        logs = {name: Path(folder, f"{name}.log") for name in schedule().tasks}
        for name, (_, line) in RUNNING.items():
            logs[name].write_text(f"{line}\n", encoding="utf-8")
        console.print("[bold green]$[/] abreast repro -j 4", highlight=False)
        print_finished(logs, console)
        view = View(schedule(done=DONE, running=RUNNING), logs, console)
        view.started = time.monotonic() - ELAPSED
        console.print(view.table())
    SVG.write_text(WEB_FONTS.sub("", console.export_svg(title="", unique_id="live")), encoding="utf-8")


def schedule(done: dict[str, float] | None = None, running: dict[str, tuple[float, str]] | None = None) -> Schedule:
    """Return the schedule of the run with these tasks done and running."""
    training = [Task(f"train@{name}", frozenset({"prepare"}), seconds) for name, seconds in MODELS.items()]
    evaluating = [Task(f"evaluate@{name}", frozenset({f"train@{name}"}), 3) for name in MODELS]
    report = Task("report", frozenset(task.name for task in evaluating), 2)
    tasks = [Task("prepare", frozenset(), 20), *training, *evaluating, report]
    started = {name: time.monotonic() - seconds for name, (seconds, _) in (running or {}).items()}
    return Schedule({task.name: task for task in tasks}, {"cores": 4}, running=started, done=dict(done or {}))


def print_finished(logs: dict[str, Path], console: Console) -> None:
    """Print the lines above the table, one for each finished stage."""
    done: dict[str, float] = {}
    for name, seconds in DONE.items():
        done[name] = seconds
        View(schedule(done=done), logs, console).on_event("done", name)


if __name__ == "__main__":
    main()
