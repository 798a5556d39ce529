"""Start a Dask scheduler and workers for tests."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dvc_project import ENVIRONMENT

PROTOCOL = {"tls": ["--protocol", "tls"], "tcp": []}


@dataclass
class Farm:
    """A scheduler and its workers. folder: of their files. protocol: tcp or tls, with certificates in `environment`."""

    folder: Path
    protocol: str = "tcp"
    environment: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=ENVIRONMENT | self.environment | (environment or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        options = ["--host", self.host, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        process = self.start("scheduler", ["dask", "scheduler", *options, *PROTOCOL[self.protocol]])
        while not (file.exists() and file.read_text().strip().endswith("}")):
            assert process.poll() is None, (self.folder / "scheduler.log").read_text()
            time.sleep(0.05)
        return process

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def worker(
        self,
        name: str,
        *options: str,
        environment: dict[str, str] | None = None,
        place: Path | None = None,
        on: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> subprocess.Popen:
        """Start a worker with one core, and wait for it. place: its folder. on: a command that starts it elsewhere."""
        where = place or self.folder / name
        options = ("--host", host, "--nthreads", "1", "--no-dashboard", "--local-directory", str(where), *options)
        process = self.start(
            name, [*on, "dask", "worker", self.address, *options, *PROTOCOL[self.protocol]], environment
        )
        log = self.folder / f"{name}.log"
        while "Registered to:" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        return process

    def running(self) -> list[int]:
        """Return the ids of processes in the folders of workers, such as stages."""
        processes = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"]]
        return [process.pid for process in processes if f"{self.folder}{os.sep}" in process.info["cwd"]]

    def kill(self, nanny: subprocess.Popen, *, for_good: bool = True) -> None:
        """Kill a worker and its nanny; without `for_good` only the worker, which its nanny starts again."""
        children = psutil.Process(nanny.pid).children(recursive=False)
        if for_good:
            nanny.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


@contextmanager
def farm(folder: Path, workers: int = 2, **more) -> Iterator[Farm]:
    """Start a scheduler and workers, and kill them at the end."""
    cluster = Farm(folder, **more)
    try:
        cluster.scheduler()
        for number in range(workers):
            cluster.worker(f"worker{number}")
        yield cluster
    finally:
        for process in reversed(cluster.processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
