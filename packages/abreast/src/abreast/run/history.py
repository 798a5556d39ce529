"""Store and show wall time, processor time and memory of each stage in the last runs; `abreast log`."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from abreast.dvc_api import write_whole
from abreast.errors import AbreastError
from abreast.run.live import duration
from abreast.run.run_lock import FOLDER

FILE = FOLDER / "history.jsonl"  # a line for each stage that ended
RUNS = 20  # that are kept


@dataclass(frozen=True)
class Record:
    """A stage that ended.

    run: start of its run, and started: start of the stage, in seconds since 1970. cpu: processor seconds. memory: bytes
    of its largest process. outcome: done, failed, cached (restored from DVC's run cache) or unchanged. where: address
    of the worker that ran it, empty for this machine.
    """

    run: float
    stage: str
    started: float
    seconds: float
    cpu: float
    memory: int
    outcome: str
    where: str = ""


def append(root: Path, record: Record) -> None:
    """Append a record to the file; errors, such as a full disk, are ignored."""
    with suppress(OSError), (root / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(root: Path) -> list[Record]:
    """Read all records; lines that are incomplete or of another version are skipped."""
    records = []
    with suppress(FileNotFoundError):
        for line in (root / FILE).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                records.append(Record(**json.loads(line)))
    return records


def drop_old_runs(root: Path) -> None:
    """Remove all but the last 20 runs from the file."""
    records = read(root)
    kept = sorted({record.run for record in records})[-RUNS:]
    if records and records[0].run < kept[0]:
        lines = [json.dumps(asdict(record)) + "\n" for record in records if record.run >= kept[0]]
        write_whole(root / FILE, "".join(lines).encode(), durable=False)


def records_of_run(root: Path, back: int = 0) -> list[Record]:
    """Return the records of the last run, or of the `back`-th run before it; AbreastError if there is none."""
    records = read(root)
    runs = sorted({record.run for record in records})
    if len(runs) <= back:
        kept = f"; {len(runs)} are kept" if runs else ""
        raise AbreastError(f"no run to show{kept}; `abreast repro` starts one")
    return [record for record in records if record.run == runs[-1 - back]]


def as_json(records: list[Record]) -> str:
    return json.dumps([asdict(record) for record in records], indent=1)


def table(records: list[Record]) -> Table:
    """Make a table of a run: a row for each stage in the order of their starts, and one for all stages."""
    run_start = min(record.started for record in records)
    table = Table("stage", title=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(records[0].run)), box=None)
    for heading in ("start", "wall", "processor", "memory"):
        table.add_column(heading, justify="right")
    table.add_column("outcome")
    for record in sorted(records, key=lambda record: record.started):
        outcome = f"{record.outcome} {record.where}".strip()
        start = duration(record.started - run_start)
        table.add_row(Text(record.stage), start, *usage(record.seconds, record.cpu, record.memory), Text(outcome))
    seconds = max(record.started + record.seconds for record in records) - run_start
    cpu, memory = sum(record.cpu for record in records), max(record.memory for record in records)
    table.add_row("all", "", *usage(seconds, cpu, memory), "", style="bold")
    return table


def usage(seconds: float, cpu: float, memory: int) -> tuple[str, str, str]:
    """Format wall time, processor time and memory."""
    return format_seconds(seconds), format_seconds(cpu), f"{memory / 1e6:,.0f} MB" if memory else ""


def format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
