"""What each stage of the last runs took: seconds, processor seconds and memory; `abreast log` shows it."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from abreast.errors import AbreastError
from abreast.run.live import duration
from abreast.run.run_lock import FOLDER

FILE = FOLDER / "history.jsonl"  # a line for each stage that ended
RUNS = 20  # that are kept


@dataclass(frozen=True)
class Record:
    """A stage that ended.

    run: when its run began; started: when it did, in seconds since 1970. cpu: processor seconds. memory: bytes of its
    largest process. outcome: done, failed, cached (taken from DVC's run cache) or unchanged. where: a worker, or here.
    """

    run: float
    stage: str
    started: float
    seconds: float
    cpu: float
    memory: int
    outcome: str
    where: str = ""


def add(root: Path, record: Record) -> None:
    """Keep a record; a disk that is full costs the record, and no stage."""
    with suppress(OSError), (root / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(root: Path) -> list[Record]:
    """Read all records; lines of others, or halves, are left out."""
    records = []
    with suppress(FileNotFoundError):
        for line in (root / FILE).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                records.append(Record(**json.loads(line)))
    return records


def shorten(root: Path) -> None:
    """Forget all but the last runs."""
    records = read(root)
    kept = sorted({record.run for record in records})[-RUNS:]
    if records and records[0].run < kept[0]:
        lines = [json.dumps(asdict(record)) + "\n" for record in records if record.run >= kept[0]]
        part = (root / FILE).with_suffix(".part")
        part.write_text("".join(lines), encoding="utf-8")
        part.replace(root / FILE)


def last_run(root: Path, back: int = 0) -> list[Record]:
    """Give the records of the last run, or of one further back; AbreastError if there is none."""
    records = read(root)
    runs = sorted({record.run for record in records})
    if len(runs) <= back:
        kept = f"; {len(runs)} are kept" if runs else ""
        raise AbreastError(f"no run to show{kept}: `abreast repro` makes one")
    return [record for record in records if record.run == runs[-1 - back]]


def as_json(records: list[Record]) -> str:
    return json.dumps([asdict(record) for record in records], indent=1)


def table(records: list[Record]) -> Table:
    """Show a run: a row for each stage, in the order in which they began, and one for the whole."""
    begun = min(record.started for record in records)
    shown = Table("stage", title=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(records[0].run)), box=None)
    for heading in ("start", "wall", "processor", "memory"):
        shown.add_column(heading, justify="right")
    shown.add_column("outcome")
    for record in sorted(records, key=lambda record: record.started):
        where = f"{record.outcome} {record.where}".strip()
        start = duration(record.started - begun)
        shown.add_row(Text(record.stage), start, *amounts(record.seconds, record.cpu, record.memory), Text(where))
    end = max(record.started + record.seconds for record in records)
    whole = amounts(end - begun, sum(record.cpu for record in records), max(record.memory for record in records))
    shown.add_row("all", "", *whole, "", style="bold")
    return shown


def amounts(seconds: float, cpu: float, memory: int) -> tuple[str, str, str]:
    return fine(seconds), fine(cpu), f"{memory / 1e6:,.0f} MB" if memory else ""


def fine(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
